import { usualBatch, usualViews } from '../../inference/defaults.ts'
import { readoutSyntax } from '../../model/readout-name.ts'
import { positive } from '../arguments.ts'
import { choice, count, mandatory, number, severalArguments, text, withDefault } from '../options/option.ts'
import { decoderOption, engineOption, outputOptions, threadsOption, workersOption } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const features = defineCommand({
  name: 'features',
  summary: 'write the features of videos as .npy and safetensors',
  description:
    'Computes the features of every video once (they are kept by content in a store) and writes features.npy,\n' +
    'features.safetensors and index.json. Stopped, it continues where it stopped; shards may run side by side, and a last run\n' +
    'without --shard puts them together.',
  arguments: { data: severalArguments('folders, lists or videos') },
  options: {
    from: mandatory(text('path', 'run folder, checkpoint or Hugging Face directory; "pixels" for patches alone')),
    kind: withDefault(
      choice('kind', 'pooled: a readout of the tokens; tokens: all of them; classifier: what a linear head reads', [
        'pooled',
        'tokens',
        'classifier',
      ]),
      'pooled',
    ),
    readout: withDefault(text('name', `[pooled] ${readoutSyntax}`), 'mean'),
    clips: withDefault(count('clips', 'temporal views of every video, a row each'), usualViews.features.clips),
    crops: withDefault(count('crops', 'spatial views'), usualViews.features.crops),
    windowStep: count('windowStep', 'sliding windows instead: frames from one start to the next'),
    stride: count('stride', 'frames from one frame of a clip to the next; default: as trained, else 4; pixels: 1'),
    fps: number('rate', 'frames per second of a clip, by time; not together with --stride', positive),
    shard: text('i/n', 'only this part of the videos, e.g. 3/16'),
    out: withDefault(text('folder', 'where the files go'), 'features'),
    cache: text('folder', 'the store; default: store/ in --out'),
    batch: withDefault(count('batch', 'clips in one run'), usualBatch.features),
    ...engineOption,
    ...threadsOption,
    ...workersOption,
    ...decoderOption,
    ...outputOptions,
  },
  examples: [
    'features videos --from checkpoints/mine --out features',
    'features videos --from checkpoints/mine --readout motion --window-step 16',
  ],
})

export type FeaturesCommandOptions = OptionsOf<typeof features>
