import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { type ExitKind, exitCodes } from '../core/errors.ts'
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

const exitMeanings: Readonly<Record<ExitKind, string>> = {
  success: 'done',
  internal: 'a bug in the program',
  usage: 'bad arguments, options or configuration',
  data: 'input files that cannot be used',
  environment: 'something of the machine is missing or fails: engine, decoder, memory, disk',
  nonFinite: 'training stopped because the loss or a gradient was not finite',
  checkFailed: 'a check did not hold: claim of a certificate, export, requirement, audit',
  nothingChecked: 'a check found nothing to check',
  abstained: 'a prediction was withheld: its radius is below --require-radius',
  certificateDiffers: 'a certificate differs from what follows from its files',
  changeNotExplained: 'two certificates contradict each other',
  interrupted: 'stopped by Ctrl-C, SIGTERM or SIGHUP',
}

function exitCodeHelp(): string {
  const kinds = Object.keys(exitCodes) as ExitKind[]
  const lines = kinds.map((kind) => `  ${String(exitCodes[kind]).padStart(3)}  ${exitMeanings[kind]}`)
  return `Exit codes:\n${lines.join('\n')}`
}
