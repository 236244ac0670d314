import { portNumber } from '../arguments.ts'
import { number, severalArguments } from '../options/option.ts'
import { jsonOption } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const watch = defineCommand({
  name: 'watch',
  summary: 'serve a live page about training runs',
  description:
    'Serves a page about one run, or up to six next to each other, on this machine only: loss, validation, speed, the newest ' +
    'reconstruction, and differences of the configurations. Also works for runs that have ended. Ctrl-C ends the page, but does ' +
    'not stop the runs.',
  arguments: { runs: severalArguments('folders of runs') },
  options: { port: number('n', 'port of the page; default: any free port', portNumber), ...jsonOption },
  examples: ['watch checkpoints/mine', 'watch checkpoints/one checkpoints/other --port 8080'],
})

export type WatchCommandOptions = OptionsOf<typeof watch>
