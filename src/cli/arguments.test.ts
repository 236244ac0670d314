import { type Argument, CommanderError, InvalidArgumentError } from 'commander'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { collect, countOf, folds, fraction, positive, wholeNumber } from './arguments.ts'
import { createProgram } from './create-program.ts'

afterEach(() => void vi.restoreAllMocks())

describe('values of options', () => {
  test.each([
    [wholeNumber, ['0', '7', '1e3'], ['-1', '1.5', '', ' ', 'x', 'NaN', 'Infinity', '1e300']],
    [countOf('shots'), ['1', '16'], ['0', '-1', '1.5', '', 'x', 'Infinity', '9007199254740993']],
    [positive, ['0.5', '1e-9', '30'], ['0', '-1', '', 'x', 'Infinity', 'NaN']],
    [fraction, ['0.5', '1e-9'], ['0', '1', '-0.5', '', '60%']],
  ] as const)('%o', (parse, good, bad) => {
    for (const text of good) expect(parse(text)).toBe(Number(text))
    for (const text of bad) expect(() => parse(text), text).toThrow(InvalidArgumentError)
  })

  test('the word for the folds of the list is named where another one came', () => {
    expect([folds('column'), folds('5')]).toEqual(['column', 5])
    for (const text of ['Column', 'fold', '']) expect(() => folds(text), text).toThrow(/or column for the folds of/)
    expect(() => folds('0')).toThrow(/at least 1/)
  })

  test('that are given several times are kept in order', () => {
    expect(
      ['a', 'b'].reduce<readonly string[] | undefined>((before, value) => collect(value, before), undefined),
    ).toEqual(['a', 'b'])
  })
})

test.each(
  [
    ...['--workers', '--threads', '--clips', '--stride', '--epochs', '--spread', '--coverage', '--groups'].map(
      (option) => ['certify', option],
    ),
    ...['--workers', '--threads', '--partitions', '--budget', '--seeds-per-partition'].map((o) => ['audit', o]),
    ...['--workers', '--threads', '--subsets'].map((option) => ['lethal-dose', option]),
    ...['--workers', '--threads', '--clips', '--fps'].map((option) => ['features', option]),
  ].map(([command, option]) => ({ command, option })),
)('$command $option 0 is refused before the command begins', async ({ command, option }) => {
  const program = createProgram()
  for (const one of program.commands) one.configureOutput({ writeErr: () => {} })
  const parsed = program.parseAsync([command, 'DATA', '--from', 'pixels', option, '0'], { from: 'user' })
  await expect(parsed).rejects.toThrow(CommanderError)
  await expect(parsed).rejects.toMatchObject({
    code: 'commander.invalidArgument',
    message: expect.stringContaining(option),
  })
})

/** Shares of `dataset split`. */
const splitShares = ['--validation', '--test']

/** Where blank text goes. */
const blank = '<blank>'

/** Every option of every command that takes a value, and every argument, with blank text in its place. */
const blanks = createProgram().commands.flatMap((command) => {
  const soundArgument = (argument: Argument & { readonly argChoices?: readonly string[] }) =>
    argument.argChoices?.[0] ?? 'DATA'
  const sound = command.registeredArguments.filter(({ required }) => required).map(soundArgument)
  const mandatory = command.options
    .filter((option) => option.mandatory)
    .flatMap(({ long, parseArg }) => [long!, parseArg === undefined ? 'ENCODER' : '2'])
  const options = command.options.filter((option) => option.required || option.optional).map(({ long }) => long!)
  return [
    ...options.map((option) => ({
      command: command.name(),
      what: option,
      given: [...sound, ...mandatory, option, blank],
    })),
    ...command.registeredArguments.map((argument, i) => ({
      command: command.name(),
      what: argument.name(),
      // Also those before it that may be left out.
      given: [
        ...mandatory,
        ...command.registeredArguments.slice(0, i).map(soundArgument),
        blank,
        ...sound.slice(i + 1),
      ],
    })),
  ]
})

test('there are options and arguments of all commands', () => {
  expect(new Set(blanks.map(({ command }) => command)).size).toBeGreaterThan(10)
  expect(blanks.map(({ command, what }) => `${command} ${what}`)).toEqual(
    expect.arrayContaining([
      'certify --classes',
      'certify --from',
      'pretrain --out',
      'features data',
      'export --check',
    ]),
  )
})

test.each(blanks)('$command refuses a blank $what before it begins', async ({ command, what, given }) => {
  for (const text of ['', ' \t']) {
    const program = createProgram()
    for (const one of program.commands)
      one
        .exitOverride()
        .configureOutput({ writeErr: () => {} })
        .action(() => Promise.reject(new Error('it has begun')))
    const parsed = program.parseAsync([command, ...given.map((arg) => (arg === blank ? text : arg))], { from: 'user' })
    await expect(parsed).rejects.toMatchObject({
      code: 'commander.invalidArgument',
      message: expect.stringContaining(what),
    })
  }
})

describe('counts that nobody can mean are refused before the command begins', () => {
  const values = createProgram().commands.flatMap((command) =>
    command.options.flatMap((option) => {
      // Numbers that stand for themselves: nothing is made for them.
      const free = [
        '--seed',
        '--require-radius',
        '--first-class',
        '--timeout',
        '--windows',
        '--quality',
        '--fps',
        '--lambda',
        '--learning-rate',
        '--port',
      ]
      if (option.parseArg === undefined || option.parseArg === collect || free.includes(option.long ?? '')) return []
      return option.argChoices === undefined ? [{ command: command.name(), option }] : []
    }),
  )

  test('all of them', () => {
    expect(values.length).toBeGreaterThan(40)
    for (const { command, option } of values) {
      if (['--test-share', '--mask-ratio', '--threshold', ...splitShares].includes(option.long ?? '')) continue // fractions
      expect(() => option.parseArg?.('9007199254740991', undefined), `${command} ${option.long}`).toThrow(
        expect.objectContaining({
          code: 'INVALID_ARGUMENT',
          exit: 'usage',
          message: expect.stringContaining(`for ${option.long} `),
        }),
      )
    }
  })
})
