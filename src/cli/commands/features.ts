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
    'Computes the features of every video once (they are kept by content in a store) and writes features.npy, ' +
    'features.safetensors and index.json. Run it again to continue after a stop. Shards may run in parallel; a last run ' +
    'without --shard merges them.',
  arguments: { data: severalArguments('folders, lists or videos') },
  options: {
    from: mandatory(
      text('path', 'run folder, checkpoint or Hugging Face directory; "pixels" for pixels without an encoder'),
    ),
    kind: withDefault(
      choice('kind', 'pooled: a readout of the tokens; tokens: all tokens; classifier: the input of a linear head', [
        'pooled',
        'tokens',
        'classifier',
      ]),
      'pooled',
    ),
    readout: withDefault(text('name', `[pooled] ${readoutSyntax}`), 'mean'),
    clips: withDefault(count('clips', 'temporal views of every video, one row for each'), usualViews.features.clips),
    crops: withDefault(count('crops', 'spatial views'), usualViews.features.crops),
    windowStep: count('windowStep', 'use sliding windows instead: frames from the start of one window to the next'),
    stride: count('stride', 'take every n-th frame for a clip; default: as trained, else 4; pixels: 1'),
    fps: number('rate', 'frames per second of a clip, sampled by time; not together with --stride', positive),
    shard: text('i/n', 'only this part of the videos, e.g. 3/16'),
    out: withDefault(text('folder', 'output folder'), 'features'),
    cache: text('folder', 'folder of cached features; default: store/ in --out'),
    batch: withDefault(count('batch', 'clips in one forward pass'), usualBatch.features),
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
