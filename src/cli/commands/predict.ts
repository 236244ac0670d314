import { rules } from '../../certify/rules/names.ts'
import { usualTop, usualViews } from '../../inference/defaults.ts'
import { fraction, positive, wholeNumber } from '../arguments.ts'
import { choice, count, flag, number, severalArguments, text, texts, withDefault } from '../options/option.ts'
import { classifierOption, decoderOption, engineOption, jsonOption, threadsOption } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const predict = defineCommand({
  name: 'predict',
  summary: 'predict the classes of videos',
  description:
    'Prints the most probable classes of each video. An exported .onnx file is enough. ' +
    'With --certified: the class that an ensemble of `certify` votes for, its certified radius and the runner-up. Exits with ' +
    '8 if the ensemble abstained on a video because its radius is below --require-radius.',
  arguments: { videos: severalArguments('videos, folders or lists (.csv, .tsv, .txt)') },
  options: {
    ...classifierOption,
    certified: text('path', 'ensemble file, certificate.json or its folder, instead of --from'),
    encoder: texts('path', '[certified] the encoder, once for each group; default: as certified'),
    rule: choice('name', '[certified] the rule, if the ensemble was certified by several', rules),
    requireRadius: number('r', '[certified] abstain if the certified radius is below this', wholeNumber),
    target: text(
      'classes',
      '[certified] classes that an attacker may want, separated by commas; also prints how many poisoned samples are needed ' +
        'before one of them is predicted',
    ),
    top: withDefault(count('top', 'classes to print'), usualTop),
    threshold: number('p', 'give no label if the most probable class is below this, between 0 and 1', fraction),
    windows: number('seconds', 'one prediction for each window of this many seconds', positive),
    csv: text('file', 'also write a table, one line for each video or window; "-": print it instead of text'),
    watch: flag('also predict videos that are added to the folders, until Ctrl-C; with --json a line for each'),
    clips: withDefault(count('clips', 'temporal views of every video'), usualViews.prediction.clips),
    crops: withDefault(count('crops', 'spatial views'), usualViews.prediction.crops),
    ...engineOption,
    ...threadsOption,
    ...decoderOption,
    ...jsonOption,
  },
  examples: [
    'predict clip.mp4 --from checkpoints/classifier',
    'predict videos --from classifier.onnx --threshold 0.6 --csv predictions.csv',
    'predict match.mp4 --from checkpoints/classifier --windows 5',
    'predict inbox --from checkpoints/classifier --watch --json',
    'predict clip.mp4 --certified checkpoints/certify --require-radius 3',
  ],
})

export type PredictCommandOptions = OptionsOf<typeof predict>
