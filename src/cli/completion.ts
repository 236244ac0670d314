/** Completion of commands, options and values in a shell, written from the definitions of the commands. */
import type { Argument, Command, Option } from 'commander'
import { collect } from './arguments.ts'
import type { CompletionCommandOptions, shells } from './commands/completion.ts'

/** A shell that `videomae completion` names. */
export type Shell = (typeof shells)[number]

/** Names of values that are paths, as help shows them. */
const paths: ReadonlySet<string> = new Set(
  ['folder', 'file', 'path', 'video', 'source', 'encoder', 'data', 'names'], // names may be in a file
)

/** `--from <path>`: its name, what may follow it, and what it is for. */
interface CompletedOption {
  readonly long: string
  readonly description: string
  /** Name of its value; null where it has none. */
  readonly value: string | null
  /** Values that are allowed; null: any. */
  readonly choices: readonly string[] | null
  readonly isPath: boolean
  readonly repeatable: boolean
}

interface CompletedCommand {
  readonly name: string
  readonly summary: string
  readonly options: readonly CompletedOption[]
  /** Allowed values of its first argument; null: paths, or anything. */
  readonly choices: readonly string[] | null
}

/** `videomae completion`. */
export async function completionCommand(
  shell: Shell,
  { json = false }: CompletionCommandOptions,
  command: Command,
): Promise<void> {
  const script = completionScript(command.parent ?? command, shell)
  process.stdout.write(json ? `${JSON.stringify({ shell, script })}\n` : script)
}

/** @returns the script that a shell reads, which says in its first lines how to install it */
export function completionScript(program: Command, shell: Shell): string {
  const commands = program.commands.map(completedCommand)
  const name = program.name()
  switch (shell) {
    case 'bash':
      return bashScript(name, commands)
    case 'zsh':
      return zshScript(name, commands)
    case 'fish':
      return fishScript(name, commands)
  }
}

function completedCommand(command: Command): CompletedCommand {
  const [argument] = command.registeredArguments as readonly (Argument & { argChoices?: string[] })[]
  const help: CompletedOption = {
    ...{ long: '--help', description: 'show all options', value: null, choices: null },
    ...{ isPath: false, repeatable: false },
  }
  return {
    name: command.name(),
    summary: shortened(command.summary()),
    options: [...command.options.flatMap(completedOption), help],
    choices: argument?.argChoices ?? null,
  }
}

function completedOption(option: Option): CompletedOption[] {
  const { long, description, flags, argChoices, parseArg } = option
  if (long === undefined || long === null) return []
  const value = /[<[]([^>\]]+)[>\]]/.exec(flags)?.[1] ?? null
  return [
    {
      ...{ long, description: shortened(description), value, choices: argChoices ?? null },
      isPath: value !== null && (paths.has(value) || long === '--recipe'),
      repeatable: parseArg === collect,
    },
  ]
}

/** One line of at most 100 characters. */
function shortened(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length <= 100 ? line : `${line.slice(0, 97).replace(/\s\S*$/, '')} ...`
}

const intro = (shell: Shell, install: string): string =>
  `# Completion of videomae in ${shell}, written by: videomae completion ${shell}\n# To install it: ${install}\n`

function bashScript(name: string, commands: readonly CompletedCommand[]): string {
  const reply = (words: readonly string[]): string =>
    `COMPREPLY=($(compgen -W ${bashQuoted(words.join(' '))} -- "$cur"))`
  const cases = commands.map(({ name: command, options, choices }) => {
    const values = options
      .filter((option) => option.choices !== null)
      .map(({ long, choices: words }) => `        ${long}) ${reply(words ?? [])}; return ;;\n`)
    const free = options.filter(({ value, choices: words }) => value !== null && words === null)
    // Nothing is proposed for the value of another option: the shell completes paths then.
    if (free.length > 0) values.push(`        ${free.map(({ long }) => long).join('|')}) return ;;\n`)
    const previous = values.length === 0 ? '' : `      case "$prev" in\n${values.join('')}      esac\n`
    const words = options.map(({ long }) => long)
    const first = choices === null ? '' : `      ${reply(choices)}\n`
    return `    ${command})\n${previous}      if [[ "$cur" == -* ]]; then ${reply(words)}; return; fi\n${first}      ;;\n`
  })
  return `${intro('bash', `${name} completion bash > ~/.local/share/bash-completion/completions/${name}`)}_${name}() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then ${reply([...commands.map((command) => command.name), '--help', '--version'])}; return; fi
  case "\${COMP_WORDS[1]}" in
${cases.join('')}  esac
}
complete -o default -F _${name} ${name}
`
}

const bashQuoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

function zshScript(name: string, commands: readonly CompletedCommand[]): string {
  const inSpec = (text: string): string => text.replaceAll(/[\\[\]:]/g, '\\$&')
  const spec = ({ long, description, value, choices, isPath, repeatable }: CompletedOption): string => {
    const action = choices !== null ? `(${choices.join(' ')})` : isPath ? '_files' : ' '
    const argument = value === null ? '' : `:${inSpec(value)}:${action}`
    return bashQuoted(`${repeatable ? '*' : ''}${long}[${inSpec(description)}]${argument}`)
  }
  const cases = commands.map(({ name: command, options, choices }) => {
    const rest = bashQuoted(`*:argument:${choices === null ? '_files' : `(${choices.join(' ')})`}`)
    return `    ${command})\n      _arguments ${[...options.map(spec), rest].join(' \\\n        ')}\n      ;;\n`
  })
  const described = commands.map((command) => `    ${bashQuoted(`${command.name}:${inSpec(command.summary)}`)}\n`)
  return `#compdef ${name}
${intro('zsh', `${name} completion zsh > "\${fpath[1]}/_${name}"`)}_${name}() {
  local -a commands=(
${described.join('')}  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  ((CURRENT--))
  case $command in
${cases.join('')}  esac
}
if [[ $funcstack[1] == _${name} ]]; then _${name} "$@"; else compdef _${name} ${name}; fi
`
}

function fishScript(name: string, commands: readonly CompletedCommand[]): string {
  const quoted = (text: string): string => `'${text.replaceAll(/['\\]/g, '\\$&')}'`
  const none = '__fish_use_subcommand'
  const lines = commands.flatMap(({ name: command, summary, options, choices }) => {
    const within = quoted(`__fish_seen_subcommand_from ${command}`)
    return [
      `complete -c ${name} -n ${none} -f -a ${command} -d ${quoted(summary)}`,
      ...(choices === null ? [] : [`complete -c ${name} -n ${within} -f -a ${quoted(choices.join(' '))}`]),
      ...options.map(({ long, description, value, choices: words, isPath }) => {
        const argument =
          value === null ? '' : words !== null ? ` -x -a ${quoted(words.join(' '))}` : isPath ? ' -r -F' : ' -x'
        return `complete -c ${name} -n ${within} -l ${long.slice(2)}${argument} -d ${quoted(description)}`
      }),
    ]
  })
  return `${intro('fish', `${name} completion fish > ~/.config/fish/completions/${name}.fish`)}complete -c ${name} -n ${none} -f -l help -d 'show all commands'
complete -c ${name} -n ${none} -f -l version -d 'show the version'
${lines.join('\n')}
`
}
