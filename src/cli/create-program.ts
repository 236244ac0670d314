import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { exitCodes } from '../core/errors.ts'
import { refuseBlank } from './arguments.ts'
import { commands } from './commands/list.ts'
import { replaceHubNames } from './hub-names.ts'
import { refuseRanks } from './one-process.ts'

/** The program with all commands. */
export function createProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  const program = new Command('videomae')
    .description('Self-supervised video pretraining, fine-tuning, ONNX export and certified robustness to poisoning.')
    .version(version)
    // Lines are broken where the terminal ends, not where the source does.
    .configureHelp({ commandDescription: (command) => command.description().replaceAll('\n', ' ') })
    .showSuggestionAfterError()
    .showHelpAfterError('Add --help for what is possible.')
    .exitOverride()
    .addHelpText('after', `\n${exitCodeHelp()}`)
    .hook('preAction', async (_, command) => {
      refuseBlank(command)
      refuseRanks(command)
      await replaceHubNames(command)
    })
  for (const add of commands) add(program)
  return program
}

function exitCodeHelp(): string {
  const lines = Object.entries(exitCodes).map(([name, code]) => `  ${String(code).padStart(3)}  ${name}`)
  return `Exit codes:\n${lines.join('\n')}`
}
