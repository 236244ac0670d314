import type { Command } from 'commander'
import { runCommand } from './run.ts'

/** Adds `get`. */
export function addGet(program: Command): void {
  program
    .command('get')
    .summary('download published weights')
    .description(
      'Downloads the safetensors files of weights from a model hub into a folder, and compares them with their digests. Without\n' +
        'a name: lists weights that are known. Run the same command again to go on after Ctrl-C or a lost connection.',
    )
    .argument(
      '[name]',
      'a name of the list, or OWNER/NAME as on huggingface.co; with @REVISION for a branch or a commit',
    )
    .argument('[folder]', 'where to put the weights')
    .option('--json', 'print JSON instead of text')
    .option('--quiet', 'no progress')
    .action((name, folder, options) =>
      runCommand(options, async () => (await import('./get.ts')).getCommand(name, folder, options)),
    )
}
