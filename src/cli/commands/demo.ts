import { count, text, withDefault } from '../options/option.ts'
import { engineOption, jsonOption, threadsOption } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const demo = defineCommand({
  name: 'demo',
  summary: 'pretrain, export and certify on generated videos, in a few minutes',
  description:
    'Generates real video files whose motion is their class, pretrains a small model on them without labels, draws ' +
    'reconstructions, exports the encoder and checks it. Then certifies one ensemble on the encoder and one on random ' +
    'weights, with other, labeled videos, and writes pages about the run and the certificate. On a desktop it opens the page about the certificate.',
  arguments: {},
  options: {
    out: withDefault(text('folder', 'folder of all results'), 'demo-output'),
    clips: count(
      'generatedVideos',
      'videos to pretrain on; also generates 1.6 times as many labeled videos; default: 400',
    ),
    steps: count('steps', 'training steps; default: 1500'),
    ...engineOption,
    ...threadsOption,
    ...jsonOption,
  },
  examples: ['demo', 'demo --out demo-output --clips 100 --steps 300'],
})

export type DemoCommandOptions = OptionsOf<typeof demo>
