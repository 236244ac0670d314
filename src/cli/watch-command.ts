import type { Command } from 'commander'
import { portNumber } from './arguments.ts'
import { runCommand } from './run.ts'

/** Adds `watch`. */
export function addWatch(program: Command): void {
  program
    .command('watch')
    .summary('a live page about training runs in the browser')
    .description(
      'Serves a page about one run, or up to six beside each other, on this machine alone: loss, validation, speed, the newest\n' +
        'reconstruction, and what differs in the configuration. Works for runs that have ended, too. Ends with Ctrl-C, which does\n' +
        'nothing to the runs.',
    )
    .argument('<runs...>', 'folders of runs')
    .option('--port <n>', 'port of the page; default: one that is free', portNumber)
    .option('--json', 'print JSON instead of text')
    .action((runs, options) =>
      runCommand(options, async () => (await import('./watch.ts')).watchCommand(runs, options)),
    )
}
