import { usualBatch, usualViews } from '../../inference/defaults.ts'
import { choice, count, flag, mandatory, severalArguments, text, withDefault } from '../options/option.ts'
import {
  classifierOption,
  decoderOption,
  engineOption,
  outputOptions,
  threadsOption,
  workersOption,
} from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const evaluate = defineCommand({
  name: 'evaluate',
  summary: 'test a classifier on labeled videos',
  description:
    'Classifies several clips and crops of every video, averages their softmax, and prints top-1, top-5 and ' +
    'balanced accuracy with 95 % intervals (Wilson for top-1 and top-5, Korn-Graubard for balanced accuracy), a table of ' +
    'classes and the calibration error. Videos that cannot be read are counted and named. The split of a run is ' +
    'split.csv in its folder.',
  arguments: { data: severalArguments('folders per class, or lists: path,label[,start,end][,group][,split]') },
  options: {
    from: mandatory(classifierOption.from),
    split: choice('part', 'part of a list with a split column; default: test; without a split: all', [
      'train',
      'validation',
      'test',
      'all',
    ]),
    clips: withDefault(count('clips', 'temporal views of every video'), usualViews.evaluation.clips),
    crops: withDefault(count('crops', 'spatial views'), usualViews.evaluation.crops),
    batch: withDefault(count('batch', 'clips in one forward pass'), usualBatch.classifier),
    out: text('folder', 'also write scores, predictions and the confusion matrix (JSON, SVG, PNG) there'),
    report: flag('also write a page about the result, report.html in --out'),
    ...engineOption,
    ...threadsOption,
    ...workersOption,
    ...decoderOption,
    ...outputOptions,
  },
  examples: [
    'evaluate labels.csv --from checkpoints/classifier',
    'evaluate labels.csv --from classifier.onnx --split test --out scores',
  ],
})

export type EvaluateCommandOptions = OptionsOf<typeof evaluate>
