/** How values of options are read, for all commands: a value out of its bounds is refused before a command begins. */
import { type Command, InvalidArgumentError } from 'commander'
import { type CountName, requireCount } from '../core/counts.ts'
import { invalidArgument } from '../core/errors.ts'

/** A number that is written out: an empty value is none. */
function numberOf(value: string): number {
  return value.trim() === '' ? Number.NaN : Number(value)
}

function wholeFrom(least: number): (value: string) => number {
  return (value) => {
    const number = numberOf(value)
    if (Number.isSafeInteger(number) && number >= least) return number
    throw new InvalidArgumentError(`Expected a whole number of at least ${least}.`)
  }
}

/** Seeds, and numbers of things of which there may be none. */
export const wholeNumber = wholeFrom(0)

/**
 * Numbers of things.
 *
 * @param name what is counted, which says how many there can be; `option` is its option, where that has another name
 * @returns what reads the value; it throws VideoMaeError `INVALID_ARGUMENT` for more than `largestCounts`
 */
export function countOf(name: CountName, option = optionOf(name), least: 0 | 1 = 1): (value: string) => number {
  const parse = wholeFrom(least)
  return (value) => {
    const number = parse(value)
    requireCount(name, number, option, least)
    return number
  }
}

/** A number of folds, or the word for those of the list. */
export function folds(value: string): number | 'column' {
  if (value === 'column') return value
  if (Number.isNaN(numberOf(value)))
    throw new InvalidArgumentError('Expected a number of folds, or column for the folds of the list.')
  return countOf('folds')(value)
}

/** How an option is given: `windowStep` as `--window-step`. */
export const optionOf = (name: string): string =>
  `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

/** Sizes and rates. */
export function positive(value: string): number {
  const number = numberOf(value)
  if (number > 0 && Number.isFinite(number)) return number
  throw new InvalidArgumentError('Expected a positive number.')
}

/** Quality of x264. */
export function rateFactor(value: string): number {
  const number = numberOf(value)
  if (number >= 0 && number <= 51) return number
  throw new InvalidArgumentError('Expected a number from 0 to 51.')
}

/** A port of this machine. */
export function portNumber(value: string): number {
  const number = numberOf(value)
  if (Number.isSafeInteger(number) && number >= 1 && number <= 65_535) return number
  throw new InvalidArgumentError('Expected a whole number from 1 to 65535.')
}

/** A part of a whole, neither nothing nor all of it. */
export function fraction(value: string): number {
  const number = numberOf(value)
  if (number > 0 && number < 1) return number
  throw new InvalidArgumentError('Expected a number between 0 and 1.')
}

/** For options that may be given several times. */
export function collect(value: string, before?: unknown): readonly string[] {
  return [...(Array.isArray(before) ? before : []), value]
}

/**
 * Refuses blank text for any argument or option of a command. A blank path names the working folder or nothing, and a blank list
 * says nothing: both come from a variable of a script that is not set. Numbers and choices are refused when they are parsed.
 *
 * @throws CommanderError in the form of a value that cannot be parsed
 */
export function refuseBlank(command: Command): void {
  const blank = (value: unknown): boolean =>
    [value].flat().some((text) => typeof text === 'string' && text.trim() === '')
  for (const [i, argument] of command.registeredArguments.entries())
    if (blank(command.processedArgs[i])) refuse(command, `argument '${argument.name()}'`, argument.description)
  for (const option of command.options) {
    const name = option.attributeName()
    if (command.getOptionValueSource(name) === 'cli' && blank(command.getOptionValue(name)))
      refuse(command, `option '${option.flags}'`, option.description)
  }
}

function refuse(command: Command, what: string, meaning: string): never {
  command.error(`error: ${what} is blank. Expected: ${meaning}`, {
    code: 'commander.invalidArgument',
  })
}

/** `3/16` -> number 2 of 16, counted from 0. */
export function parseShard(text: string): { readonly index: number; readonly count: number } {
  const match = /^(\d+)\/(\d+)$/.exec(text)
  const [index, count] = match === null ? [0, 0] : [Number(match[1]), Number(match[2])]
  if (match === null || index < 1 || index > count) {
    throw invalidArgument('--shard', 'NUMBER/COUNT such as 3/16, counted from 1', text)
  }
  requireCount('shards', count, '--shard')
  return { index: index - 1, count }
}
