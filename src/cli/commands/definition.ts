/** A command: what it is called, what may be given to it, and what help says of it. */
import { Argument, Command, Option } from 'commander'
import { optionOf } from '../arguments.ts'
import { inTypedNames } from '../option-names.ts'
import {
  type ArgumentKind,
  type ArgumentKinds,
  type OptionKind,
  type OptionKinds,
  requireValues,
  type ValuesOf,
} from '../options/option.ts'
import { runCommand } from '../run.ts'

export interface CommandDefinition<Arguments extends ArgumentKinds, Options extends OptionKinds> {
  readonly name: string
  /** One line in the list of commands. */
  readonly summary: string
  readonly description?: string
  /** In the order in which they are given. */
  readonly arguments: Arguments
  /** In the order of help. */
  readonly options: Options
  /** Ends the help; the first line is the most common use. */
  readonly examples: readonly string[]
  /** Whether an interrupted command continues with `--resume`; else the same command is run again. */
  readonly resumes?: boolean
}

/** Options of a command as its action gets them. */
export type OptionsOf<Definition extends { readonly options: OptionKinds }> = ValuesOf<Definition['options']>

/** Keeps the types of a definition. */
export function defineCommand<const Arguments extends ArgumentKinds, const Options extends OptionKinds>(
  definition: CommandDefinition<Arguments, Options>,
): CommandDefinition<Arguments, Options> {
  return definition
}

/** Adds a command to a program. */
export type AddCommand = (program: Command) => void

/**
 * Ties a definition to what runs it.
 *
 * @param run gets the arguments and the options by name, and the command, which knows what was given
 */
export function command<Arguments extends ArgumentKinds, Options extends OptionKinds>(
  definition: CommandDefinition<Arguments, Options>,
  run: (given: ValuesOf<Arguments>, options: ValuesOf<Options>, command: Command) => Promise<void>,
): AddCommand {
  return (program) => {
    const added = commandOf(definition)
    added.addHelpText('after', `\n${examplesText(program.name(), definition.examples)}`)
    // Each command ends the way the program does.
    program.addCommand(added.copyInheritedSettings(program))
    added.action(async () => {
      const names = Object.keys(definition.arguments)
      const given: Readonly<Record<string, unknown>> = Object.fromEntries(
        names.map((name, i) => [name, added.processedArgs[i]]),
      )
      const options: Readonly<Record<string, unknown>> = added.opts()
      const goOn = definition.resumes === true ? 'resume' : 'again'
      await runCommand(
        { json: options.json === true },
        async () => {
          requireValues(definition.arguments, given)
          requireValues(definition.options, options)
          try {
            await run(given, options, added)
          } catch (error) {
            throw inTypedNames(error, Object.keys(definition.options))
          }
        },
        goOn,
      )
    })
  }
}

function commandOf({
  name,
  summary,
  description,
  arguments: kinds,
  options,
}: CommandDefinition<ArgumentKinds, OptionKinds>): Command {
  const made = new Command(name).summary(summary)
  if (description !== undefined) made.description(description)
  for (const [key, kind] of Object.entries(kinds)) made.addArgument(argumentOf(key, kind))
  for (const [key, kind] of Object.entries(options)) made.addOption(optionFor(key, kind))
  return made
}

function argumentOf(name: string, { description, choices, optional, variadic }: ArgumentKind<unknown>): Argument {
  const shown = `${name}${variadic ? '...' : ''}`
  const made = new Argument(optional ? `[${shown}]` : `<${shown}>`, description)
  return choices === null ? made : made.choices(choices)
}

function optionFor(name: string, kind: OptionKind<unknown>): Option {
  const { shown, description, choices, reads, fallback, mandatory = false, negated = false } = kind
  const given = optionOf(name)
  const flag = negated ? given.replace('--', '--no-') : given
  const made = new Option(shown === null ? flag : `${flag} <${shown}>`, description).makeOptionMandatory(mandatory)
  if (choices !== null) made.choices(choices)
  if (reads !== null) made.argParser(reads(given))
  return fallback === undefined ? made : made.default(fallback)
}

function examplesText(program: string, examples: readonly string[]): string {
  const title = examples.length === 1 ? 'Example:' : 'Examples:'
  return `${title}\n${examples.map((example) => `  ${program} ${example}\n`).join('')}`
}
