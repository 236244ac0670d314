import { count, flag, text, withDefault } from '../options/option.ts'
import { engineOption, jsonOption, threadsOption } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const demo = defineCommand({
  name: 'demo',
  summary: 'the whole job on generated videos, in a few minutes',
  description:
    'Generates real video files whose motion is their class, pretrains a small model on them, draws reconstructions,\n' +
    'exports the encoder, checks it, and says where everything is.',
  arguments: {},
  options: {
    out: withDefault(text('folder', 'where everything goes'), 'demo-output'),
    report: flag('also write a page about the run, report.html in --out'),
    clips: count('generatedVideos', 'how many videos are generated'),
    steps: count('steps', 'training steps'),
    ...engineOption,
    ...threadsOption,
    ...jsonOption,
  },
  examples: ['demo', 'demo --out demo-output --report'],
})

export type DemoCommandOptions = OptionsOf<typeof demo>
