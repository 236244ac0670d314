import { automaticReadout, readoutSyntax } from '../../model/readout-name.ts'
import { wholeNumber } from '../arguments.ts'
import { anyArguments, choice, count, flag, number, text } from '../options/option.ts'
import {
  engineOption,
  foldsOption,
  outputOptions,
  setOption,
  threadsOption,
  trainingOptions,
} from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const finetune = defineCommand({
  name: 'finetune',
  summary: 'train a classifier on labeled videos',
  description:
    'Trains a classifier on labeled videos, starting from an encoder. Keeps the checkpoint with the best validation ' +
    'accuracy and tests it on held-out videos. Videos of one group and copies of one file stay in one split. ' +
    'Modes: full (all weights), linear, attentive, ridge (a head on features that are computed once).',
  arguments: {
    data: anyArguments(
      'folders per class, or lists: path,label[,start,end][,group][,split]; default: from the recipe or the resumed run',
    ),
  },
  options: {
    from: text('path', 'run folder, checkpoint, Hugging Face directory, or "scratch" for fresh weights'),
    mode: choice('mode', 'what is trained; default: from the recipe, else full', [
      'full',
      'linear',
      'attentive',
      'ridge',
    ]),
    recipe: text(
      'name',
      'a recipe by name (finetune-laptop, finetune-k400-b, ...), a YAML file, or config.json of a run',
    ),
    ...setOption,
    readout: text(
      'name',
      `[linear, ridge] ${readoutSyntax}; ${automaticReadout}: chosen on the training videos; default: from the recipe, else ${automaticReadout}`,
    ),
    shots: count('shots', 'keep only k training videos per class; default: all', { shown: 'k' }),
    folds: foldsOption(
      'cross-validation: test every video once, in k folds that keep groups apart, or "column": the folds of the list; saves no classifier',
    ),
    repeats: count('repeats', '[folds] divide the videos n times; default: 1'),
    out: text('folder', 'run folder; default: checkpoints/finetune-<mode>'),
    resume: flag('continue from the newest complete checkpoint in --out (full) or from its features (other modes)'),
    ...engineOption,
    ...threadsOption,
    seed: number('n', 'seed of split, weights, order and augmentation; default: from the recipe, else 0', wholeNumber),
    printConfig: flag('print all values as a recipe and stop'),
    dryRun: flag('check everything up to the first step (data, split, memory, some videos) and stop'),
    ...trainingOptions('[full] '),
    ...outputOptions,
  },
  examples: [
    'finetune labels.csv --from checkpoints/mine --mode ridge',
    'finetune labels.csv --from checkpoints/mine --mode ridge --folds 5 --repeats 3',
    'finetune videos-by-class --from checkpoints/mine --mode full --out checkpoints/classifier',
  ],
  resumes: true,
})

export type FinetuneCommandOptions = OptionsOf<typeof finetune>
