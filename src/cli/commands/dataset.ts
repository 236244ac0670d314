import { fraction, wholeNumber } from '../arguments.ts'
import { argument, choiceArgument, number, text } from '../options/option.ts'
import { foldsOption, jsonOption } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

/** `officialNames`, written out so that `--help` loads nothing of what reads them. */
const datasets = ['ucf101', 'hmdb51', 'ssv2', 'kinetics', 'split', 'duplicates'] as const

export const dataset = defineCommand({
  name: 'dataset',
  summary: 'write lists of a data set with its splits',
  description:
    'Reads the official annotation files of UCF101, HMDB51, Something-Something V2 or Kinetics, but no videos. Writes a list ' +
    'for each official split, with groups if the data set has them, and the classes in their official order. Says which ' +
    'videos are missing. ' +
    'split: divides your own videos, stratified by class. A group, or copies of one file, stay on one side of the split. ' +
    'duplicates: finds videos that look alike, even if encoded again or resized, and writes a list with them as groups.',
  arguments: {
    name: choiceArgument('the data set; split, duplicates: your own', datasets),
    folder: argument('folder of the videos, with any subfolders; split, duplicates: also a list'),
  },
  options: {
    annotations: text('folder', 'folder of the annotation files; default: the folder of the videos'),
    out: text('folder', 'folder of the lists; default: NAME-lists; with duplicates: duplicates'),
    validation: number('share', '[split] share of the validation videos; default: 0.1', fraction),
    test: number('share', '[split] share of the test videos; default: 0.2', fraction),
    seed: number('n', '[split] seed of the split; default: 0', wholeNumber),
    folds: foldsOption('[split] write a list for each of k folds instead; "column": for each fold of the list'),
    groups: text(
      'pattern',
      '[split] groups from names: a regular expression, whose first capture group names the group',
    ),
    ...jsonOption,
  },
  examples: [
    'dataset ucf101 UCF-101 --annotations ucfTrainTestlist',
    'dataset kinetics kinetics400 --out lists',
    "dataset split videos --groups '(subject\\d+)'",
    'dataset split labels.csv --folds column --out folds',
    'dataset duplicates videos --out alike',
  ],
})

export type DatasetCommandOptions = OptionsOf<typeof dataset>
