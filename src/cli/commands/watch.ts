import { portNumber } from '../arguments.ts'
import { number, severalArguments } from '../options/option.ts'
import { jsonOption } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const watch = defineCommand({
  name: 'watch',
  summary: 'a live page about training runs in the browser',
  description:
    'Serves a page about one run, or up to six beside each other, on this machine alone: loss, validation, speed, the newest\n' +
    'reconstruction, and what differs in the configuration. Works for runs that have ended, too. Ends with Ctrl-C, which does\n' +
    'nothing to the runs.',
  arguments: { runs: severalArguments('folders of runs') },
  options: { port: number('n', 'port of the page; default: one that is free', portNumber), ...jsonOption },
  examples: ['watch checkpoints/mine', 'watch checkpoints/one checkpoints/other --port 8080'],
})

export type WatchCommandOptions = OptionsOf<typeof watch>
