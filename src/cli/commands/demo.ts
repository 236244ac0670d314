import { count, text, withDefault } from '../options/option.ts'
import { engineOption, jsonOption, threadsOption } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const demo = defineCommand({
  name: 'demo',
  summary: 'the whole job on generated videos, in a few minutes',
  description:
    'Generates real video files whose motion is their class, pretrains a small model on them without labels, draws\n' +
    'reconstructions, exports the encoder and checks it. Then certifies an ensemble on other, labeled videos, beside one on\n' +
    'fresh weights, and writes pages about both. On a terminal with a desktop the page of the certificate is opened.',
  arguments: {},
  options: {
    out: withDefault(text('folder', 'where everything goes'), 'demo-output'),
    clips: count(
      'generatedVideos',
      'videos that are generated to pretrain on; labeled ones are 1.6 times as many; default: 400',
    ),
    steps: count('steps', 'training steps; default: 1500'),
    ...engineOption,
    ...threadsOption,
    ...jsonOption,
  },
  examples: ['demo', 'demo --out demo-output --clips 100 --steps 300'],
})

export type DemoCommandOptions = OptionsOf<typeof demo>
