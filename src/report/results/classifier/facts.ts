/** What `finetune` and `evaluate` leave of a classifier. */
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { type SplitName, splitNames } from '../../../dataset/split-part.ts'
import { readRecords } from '../../../format/csv.ts'
import { nullIfMissing } from '../../../format/missing.ts'
import { readRegularText } from '../../../format/regular-file.ts'
import type { SourceFile } from '../../page/model.ts'
import { invalidResults, readResultFile, readResultLines, sourceFiles } from '../read-file.ts'
import { type TrainingFacts, trainingFacts } from '../run/training-facts.ts'
import { misfitOf } from './consistency.ts'

const share = z.number().min(0).max(1)
const estimate = z.object({ value: share, low: share, high: share })
const count = z.number().int().nonnegative()

const scores = z.object({
  videos: z.number().int().positive(),
  groups: count,
  top1: estimate,
  baseline: z.object({ majority: z.object({ label: z.string(), value: share }), chance: share }).optional(),
  top5: estimate.nullable(),
  balanced: estimate,
  loss: z.number(),
  calibrationError: share,
  perClass: z
    .array(
      z.object({
        label: z.string(),
        videos: count,
        predicted: count,
        recall: share.nullable(),
        precision: share.nullable(),
      }),
    )
    .min(1),
})

const evaluation = scores.extend({
  views: z.object({ clips: count, crops: count }),
  trainedOn: z
    .object({
      known: z.boolean(),
      why: z.string().nullable(),
      withLabels: z.array(z.string()),
      withoutLabels: z.array(z.string()),
      others: scores.nullable(),
    })
    .optional(),
  warnings: z.array(z.string()).default([]),
  failures: z.array(z.object({ id: z.string(), code: z.string(), reason: z.string() })).default([]),
})

const confusion = z.object({ labels: z.array(z.string()), confusion: z.array(z.array(count)) })

const prediction = z.object({
  id: z.string(),
  label: z.string(),
  /** Earlier versions did not write it. */
  sha256: z.string().nullable().default(null),
  predicted: z.string(),
  confidence: share,
})
export type PredictionRow = z.infer<typeof prediction>

export const validationSchema = z.object({
  step: count,
  accuracy: share,
  loss: z.number(),
  videos: count,
  lost: z.boolean().optional(),
})
export type ValidationRow = z.infer<typeof validationSchema>

/** A video of the split. */
export interface SplitVideo {
  readonly path: string
  readonly label: string
  readonly start?: number
  readonly end?: number
  readonly group?: string
  readonly part: SplitName
}

export type Evaluated = z.infer<typeof evaluation> & {
  /** Null where the file is not there. */
  readonly confusion: z.infer<typeof confusion> | null
  /** Null where the file is not there. */
  readonly predictions: readonly PredictionRow[] | null
}

export interface ClassifierFacts {
  readonly sources: readonly SourceFile[]
  /** Null where it was not tested. */
  readonly evaluation: Evaluated | null
  /** Null for the results of `evaluate` alone: what trained the classifier is not there. */
  readonly run: {
    readonly training: TrainingFacts
    readonly validation: readonly ValidationRow[]
    /** Null where the run has not come so far. */
    readonly split: readonly SplitVideo[] | null
  } | null
}

/**
 * @param run folder of the run
 * @param tested folder of the evaluation
 * @throws VideoMaeError `RESULTS_INVALID`, `HISTORY_UNREADABLE`
 */
export async function classifierFacts(run: string | null, tested: string): Promise<ClassifierFacts> {
  const folder = run ?? tested
  const inside = path.relative(folder, tested)
  const names = ['evaluation.json', 'predictions.jsonl', 'confusion.json'].map((name) => path.join(inside, name))
  const own = run === null ? [] : ['config.json', 'split.csv', 'validation.jsonl', 'metrics.jsonl', 'bad-files.jsonl']
  return {
    evaluation: await evaluated(tested),
    run: run === null ? null : await ofRun(run),
    sources: await sourceFiles(folder, [...names, ...own]),
  }
}

async function evaluated(folder: string): Promise<Evaluated | null> {
  const found = await readResultFile(path.join(folder, 'evaluation.json'), evaluation)
  if (found === null) return null
  const file = path.join(folder, 'confusion.json')
  const matrix = await readResultFile(file, confusion)
  const square = matrix?.confusion.every((row) => row.length === matrix.labels.length) ?? true
  if (matrix !== null && (!square || matrix.confusion.length !== matrix.labels.length))
    throw invalidResults(file, `the matrix is not ${matrix.labels.length} x ${matrix.labels.length}`)
  const lines = path.join(folder, 'predictions.jsonl')
  const isThere = (await stat(lines).catch(nullIfMissing)) !== null
  const all = {
    ...found,
    confusion: matrix,
    predictions: isThere ? await readResultLines(lines, prediction) : null,
  }
  const misfit = misfitOf(all)
  if (misfit !== null) throw invalidResults(path.join(folder, misfit.file), misfit.why)
  return all
}

async function ofRun(run: string): Promise<ClassifierFacts['run']> {
  return {
    training: await trainingFacts(run),
    validation: await readResultLines(path.join(run, 'validation.jsonl'), validationSchema),
    split: await readSplit(path.join(run, 'split.csv')),
  }
}

/** Null where there is none. The file is one that `finetune` wrote: path,label,start,end,group,split. */
async function readSplit(file: string): Promise<SplitVideo[] | null> {
  const text = await readRegularText(file).catch(nullIfMissing)
  if (text === null) return null
  const [head, ...records] = readRecords(text, ',', (line, message) => {
    throw invalidResults(file, `line ${line}: ${message}`)
  })
  if (head?.fields.join() !== 'path,label,start,end,group,split') throw invalidResults(file, 'it has other columns')
  return records.map(({ fields, line }) => {
    const [video, label, start, end, group, split] = fields
    const part = splitNames.find((name) => name === split)
    if (fields.length !== 6 || part === undefined) throw invalidResults(file, `line ${line} has no part of a split`)
    return {
      ...{ path: video, label, part },
      ...(start === '' ? {} : { start: Number(start) }),
      ...(end === '' ? {} : { end: Number(end) }),
      ...(group === '' ? {} : { group }),
    }
  })
}
