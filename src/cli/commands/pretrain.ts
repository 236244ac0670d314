import { positive, wholeNumber } from '../arguments.ts'
import { anyArguments, choice, count, flag, number, text } from '../options/option.ts'
import {
  decoders,
  engineOption,
  outputOptions,
  setOption,
  threadsOption,
  trainingOptions,
  workersOption,
} from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const pretrain = defineCommand({
  name: 'pretrain',
  summary: 'pretrain a video encoder on unlabeled videos',
  description:
    'Pretrains VideoMAE on videos: most patches are masked, and the model learns to reconstruct them. ' +
    'The learning rate is scaled as lr = base_lr * global_batch / 256. Repeated samples of one clip are not counted. ' +
    'Ctrl-C saves a checkpoint and exits with 130. --resume continues with bit-identical losses.',
  arguments: { data: anyArguments('folders, lists or videos; default: from the recipe or the resumed run') },
  options: {
    recipe: text('name', 'a recipe of models/ by name, a YAML file, or config.json of a run; default: laptop-pretrain'),
    ...setOption,
    out: text('folder', 'run folder; default: checkpoints/<recipe>'),
    resume: flag('continue the run in --out from its newest complete checkpoint, with its config.json'),
    keep: count('keep', 'number of checkpoints to keep'),
    ...engineOption,
    ...threadsOption,
    decoder: choice('name', 'video decoder; default: from the recipe', decoders),
    ...workersOption,
    timeout: number(
      'seconds',
      'CPU seconds after which a file counts as unreadable; default: from the recipe',
      positive,
    ),
    seed: number('n', 'seed of weights, order, crops and masks', wholeNumber),
    printConfig: flag('print all resolved values and stop'),
    dryRun: flag('check everything up to the first step (list, memory, some videos) and stop'),
    ...trainingOptions(),
    ...outputOptions,
  },
  examples: [
    'pretrain videos --recipe laptop-pretrain',
    "pretrain videos --set mask.ratio=0.9 --set 'schedule.duration=2000 steps' --out checkpoints/mine",
    'pretrain --resume --out checkpoints/mine --page',
  ],
  resumes: true,
})

export type PretrainCommandOptions = OptionsOf<typeof pretrain>
