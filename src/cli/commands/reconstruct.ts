import { fraction, wholeNumber } from '../arguments.ts'
import { argument, choice, count, number, text, withDefault } from '../options/option.ts'
import { decoderOption, engineOption, jsonOption } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const reconstruct = defineCommand({
  name: 'reconstruct',
  summary: 'show what a pretrained model predicts for hidden patches',
  description:
    'Writes a picture (PNG) and an animation (WebP): original | masked | prediction. If the model predicts normalized ' +
    'patches, they are converted to pixels with the average mean and std of the visible patches, and shown again ' +
    'with the true mean and std of each patch, which the model does not know. Visible patches are not changed.',
  arguments: {
    checkpoint: argument('a checkpoint folder, or a run folder (its newest checkpoint)'),
    video: argument('a video file'),
  },
  options: {
    maskRatio: number('ratio', 'share of hidden patches; default: as trained, else 0.9', fraction),
    mask: choice('kind', 'kind of mask; default: as trained, else tube', ['tube', 'random', 'frame']),
    stride: count('stride', 'take every n-th frame for the clip; default: as trained, else 4'),
    out: withDefault(text('path', 'file name without extension'), 'reconstruction'),
    seed: withDefault(number('n', 'seed of the mask', wholeNumber), 0),
    ...engineOption,
    ...decoderOption,
    ...jsonOption,
  },
  examples: [
    'reconstruct checkpoints/mine clip.mp4',
    'reconstruct checkpoints/mine clip.mp4 --mask-ratio 0.75 --out picture',
  ],
})

export type ReconstructCommandOptions = OptionsOf<typeof reconstruct>
