/** Options that several commands have. */
import type { Folds } from '../../dataset/folds.ts'
import { folds } from '../arguments.ts'
import { choice, count, flag, type OptionKind, text, texts, withDefault } from './option.ts'

export const jsonOption = { json: flag('print JSON instead of text') }

export const outputOptions = { ...jsonOption, quiet: flag('no progress') }

export const engineOption = {
  engine: text(
    'name',
    'engine, see `videomae doctor`; default: auto (cuda, else native, else onnx: the first that runs)',
  ),
}

export const threadsOption = { threads: count('threads', 'threads of the engine; default: all cores') }

/** What decodes videos. */
export const decoders = ['node-av', 'ffmpeg'] as const

export const decoderOption = {
  decoder: withDefault(choice('name', 'video decoder', decoders), 'node-av'),
}

export const workersOption = { workers: count('workers', 'decoding processes; default: one per core') }

export const baseOption = {
  base: text('folder', 'base folder of relative paths in a list; default: the folder of the list'),
}

/** A classifier of any kind. */
export const classifierOption = {
  from: text('path', 'fine-tuning run, checkpoint, Hugging Face directory or exported .onnx file'),
}

/** What a run of a certificate has to meet. */
export const requireOption = {
  require: texts(
    'what',
    'exit with 6 unless one run meets all of these: accuracy>=A, certified@R>=A (share A right and certified for R units), ' +
      "median-radius>=R, mean-radius>=R; e.g. 'certified@5>=0.6'; repeatable",
  ),
}

/** Values of the recipe of a training that are replaced. */
export const setOption = { set: texts('key=value', 'override one value of the recipe (repeatable)') }

/** @param where the modes whose metrics can be written as a table, in brackets */
export const trainingOptions = (where = '') => ({
  page: flag('serve a live page on this machine while the run continues'),
  logCsv: flag(`${where}also write the metrics as a table: metrics.csv in the run folder`),
  force: flag('start even if the estimated memory exceeds the available memory'),
})

/** A number of folds, or `column`: those of the list. */
export function foldsOption(description: string): OptionKind<Folds | undefined> {
  const is = (value: unknown): value is Folds | undefined =>
    value === undefined || value === 'column' || typeof value === 'number'
  return { shown: 'k', description, choices: null, reads: () => folds, is }
}
