/** Options of `certify`, `audit` and `lethal-dose`: how videos become features, and features base classifiers. */

import type { BucketKey } from '../../certify/ensemble/buckets.ts'
import { rulesOfLayout } from '../../certify/rules/names.ts'
import { learnerKinds } from '../../certify/videos/learners/names.ts'
import { augmentationKinds } from '../../inference/augmentation-names.ts'
import { readoutSyntax } from '../../model/readout-name.ts'
import { fraction, positive, wholeNumber } from '../arguments.ts'
import { choice, count, flag, number, text, type ValuesOf, withDefault } from './option.ts'
import { decoders, engineOption, jsonOption } from './shared.ts'

/** What `--from` may name. */
export const encoderSources =
  'a run folder, checkpoint or Hugging Face directory; untrained:CHECKPOINT for an encoder of the same sizes with fresh ' +
  'weights; pixels for no encoder'

/** What DATA may be. */
export const labeledSources = 'a folder per class, or a list with path,label[,group][,split][,time]'

/** @param out the folder where `--out` is left out */
export const studyOptions = (out: string) => ({
  test: text('data', 'videos to predict; default: the test split of DATA'),
  testShare: number('share', 'share of DATA to predict if it has no split column; default: 0.2', fraction),
  split: choice(
    'rule',
    'what decides whether a video is protected or predicted. list: the split column, or a hash if there is none; folders: ' +
      'folders named train, validation or test; hash: a hash. Default: list for a list, hash for a folder',
    ['list', 'folders', 'hash'],
  ),
  classes: text(
    'names',
    'the classes, separated by commas, or a file with one name per line (or config.json of a classifier); videos with ' +
      'other labels are left out; default: any classes',
  ),
  by: choice(
    'key',
    'what assigns a video to a partition: its content, its id or its source. The radius counts these units. Default: ' +
      `content; not with rule ${rulesOfLayout('periods')}, whose partitions are periods`,
    ['content', 'id', 'source'],
  ),
  trusted: text(
    'data',
    'videos that the attacker cannot change; their features set the scale of all features; no labels needed',
  ),
  clips: count('clips', 'clips of each training video; default: 1'),
  testClips: count('testClips', 'clips of each predicted video, whose features are averaged (default: as --clips)'),
  augment: text(
    'list',
    `[ridge, nearest_mean, linear] also train on changed clips of each training video: some of ${augmentationKinds.join(', ')}`,
  ),
  stride: count('stride', 'take every n-th frame for a clip; default: as trained, else 4; pixels: 1'),
  readout: text(
    'name',
    `[ridge, nearest_mean, linear] ${readoutSyntax}; with pixels also hog, hog-color; default: mean`,
  ),
  lambda: number('value', '[ridge] regularization strength; default: 0.1', positive),
  epochs: count(
    'epochs',
    '[attentive, full, scratch] epochs of training for each base classifier; default: 20 (attentive), as in --recipe, else 30',
  ),
  learningRate: number('value', '[attentive] peak learning rate; default: 1e-3', positive),
  recipe: text('name', '[full, scratch] a fine-tuning recipe, by name or as a YAML file'),
  out: withDefault(text('folder', 'output folder'), out),
  cache: text('folder', 'folder of cached features; default: OUT/store'),
  seed: number('n', 'seed of the split, the spread and all random numbers; default: 0', wholeNumber),
  ...engineOption,
  threads: count('threads', 'threads of the engine and of base classifiers'),
  workers: count('workers', 'decoding processes'),
  decoder: choice('name', 'video decoder', decoders),
  ...jsonOption,
  quiet: flag('no progress and no notes'),
})

/** Where the encoder comes from: what decides the claim. */
export const provenanceOptions = {
  trainedOn: text('data', 'data the encoder was trained on, or its training-manifest.json'),
  trust: choice('origin', 'origin of the encoder; default: read from its training manifest', [
    'external',
    'public',
    'protected_set',
    'fixed',
  ]),
  labelsUsed: flag('labels of DATA were used to train or choose the encoder'),
}

const onPeriods = `[rule ${rulesOfLayout('periods')}]`

/** The bounds of the rule of periods. */
export const periodOptions = {
  period: text('length', `${onPeriods} length of a period: 12h, 7d, 4w, or a number if times are numbers`),
  until: text('time', `${onPeriods} the first time after the newest period, e.g. 2024-06-01`),
  coverage: count('coverage', `${onPeriods} periods that each of the K base classifiers is trained on; default: 1`),
}

/** The one ensemble of `certify` and `audit`. */
export const ensembleOptions = {
  learner: withDefault(
    choice(
      'kind',
      'kind of base classifier. ridge, nearest_mean, linear: a head on pooled features; attentive: a head on tokens; ' +
        'full: an encoder with all weights fine-tuned; scratch, scratch_augmented: the same from fresh weights',
      learnerKinds,
    ),
    'ridge',
  ),
  seedsPerPartition: count(
    'seedsPerPartition',
    'base classifiers per partition, each with its own seed; their scores are summed (DPA*); default: 1',
  ),
  spread: count(
    'spread',
    `[${rulesOfLayout('spread')}] base classifiers that one poisoned sample reaches; default: 4`,
    { shown: 'd' },
  ),
}

/** What all three commands read of their options; those that one of them lacks are left out. Rule `temporal` decides `by`. */
export type StudyOptions = Omit<ValuesOf<ReturnType<typeof studyOptions>>, 'by'> & {
  readonly by?: BucketKey
} & Partial<ValuesOf<typeof provenanceOptions> & ValuesOf<typeof periodOptions> & ValuesOf<typeof ensembleOptions>>
