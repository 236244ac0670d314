/** Cross-validation: the accuracy of a way to train on a small set, measured on every video of it. */
import path from 'node:path'
import { requireCount } from '../core/counts.ts'
import { invalidArgument, unusedArgument } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { wilsonInterval } from '../core/wilson-interval.ts'
import { type LabeledVideo, openDataset } from '../dataset/dataset.ts'
import { divisionOf, type Folds } from '../dataset/folds.ts'
import { bundleNumbers } from '../dataset/split.ts'
import { writeSplitFile } from '../dataset/split-file.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { requireOwnResults } from '../format/own-results.ts'
import { type Estimate, effectiveTrials, type Scores, scorePredictions } from '../inference/scores.ts'
import { lockRun } from '../train/run-lock.ts'
import type { FinetuneConfiguration } from './configuration.ts'
import { type FinetuneOptions, type FinetuneResult, finetune } from './finetune.ts'

/** How the data is divided, and the options of each training. */
export interface CrossValidationOptions extends Omit<FinetuneOptions, 'resume' | 'newLength'> {
  /** Parts of the data; each is tested by a classifier that is trained on the others. `column`: those of the list. */
  readonly folds: Folds
  /** Divisions into folds, each another one. Default 1. */
  readonly repeats?: number
}

/** What one fold of one division gave. */
export interface FoldResult {
  /** Which division, from 0. */
  readonly repeat: number
  /** Which fold of it, from 0. */
  readonly fold: number
  /** What the list calls the fold; its number, from 1, where it was drawn. */
  readonly name: string
  /** Folder of the run. */
  readonly run: string
  /** Its test videos. */
  readonly videos: number
  /** Share of its test videos that is right; null where none could be read. */
  readonly top1: number | null
}

/** The accuracy over all folds. */
export interface CrossValidation {
  /** Folder of the results. */
  readonly folder: string
  /** Folds of a division. */
  readonly folds: number
  /** Divisions. */
  readonly repeats: number
  /** Videos of the data. */
  readonly videos: number
  /** Groups that are independent of each other. */
  readonly groups: number
  /** Mean over the repeats; the interval is that of all videos once, since repeats test the same ones. */
  readonly top1: Estimate
  /** Mean over the repeats of the balanced accuracy, with the widest bounds of a repeat. */
  readonly balanced: Estimate
  /** What answers without looking would give. */
  readonly baseline: Scores['baseline']
  /** In the order of repeats, then of folds. */
  readonly perFold: readonly FoldResult[]
  /** Videos that could not be read in a test; they are not counted. */
  readonly failures: readonly { readonly id: string; readonly reason: string }[]
}

const resultFile = 'cross-validation.json'
const runPattern = /^repeat-\d+-fold-\d+(\.csv)?$/

/**
 * Trains and tests a classifier for each fold. The folds keep groups apart and are stratified; validation videos come out of the training
 * videos of each fold. Writes `cross-validation.json`, and a list and a run folder for each fold.
 *
 * @throws VideoMaeError as `finetune`; `SPLIT_INVALID` for folds that the data cannot have; `INVALID_ARGUMENT` for repeats of folds that the list has; `OUTPUT_TAKEN` for a folder with other files of these names
 */
export async function crossValidate(
  configuration: FinetuneConfiguration,
  options: CrossValidationOptions,
): Promise<CrossValidation> {
  const { folds, repeats = 1, out, onNote, ...others } = options
  const { data, seed } = configuration
  requireCount('repeats', repeats)
  if (data.path === null) throw invalidArgument('data.path', 'a folder per class or a list of labeled videos', null)
  await requireOwnResults(out, {
    what: 'the results of an earlier cross-validation',
    isWritten: (name) => name === resultFile || runPattern.test(name),
    main: resultFile,
    begins: /^\{\s*"format": "videomae-cross-validation"/,
  })
  const { signal, onDigests: onProgress } = options
  const given = folds === 'column'
  if (given && repeats > 1)
    throw unusedArgument('repeats', 'with the folds of the list, which are a single division', repeats)
  const read = await openDataset(data.path, { ignoreSplit: true, folds: given, signal, onProgress })
  const { videos, classes } = read
  for (const note of read.notes) onNote?.(note)
  const divisions = Array.from({ length: repeats }, (_, repeat) => divisionOf(read, { folds, seed, repeat }))
  for (const warning of divisions.flatMap(({ warnings }) => warnings)) onNote?.(`warning: ${warning}`)
  const lock = await lockRun(out, onNote)
  try {
    makeFolder(out)
    // Before the first fold: what a stop leaves behind is known as the program's own.
    await write(out, { state: 'not finished' })
    const perFold: FoldResult[] = []
    const perRepeat: Scores[] = []
    const failures = new Map<string, string>()
    for (const [repeat, { foldOf, names }] of divisions.entries()) {
      const tested: TestedVideo[] = []
      for (const [fold, called] of names.entries()) {
        const repeated = repeats === 1 ? '' : `, repeat ${repeat + 1} of ${repeats}`
        onNote?.(`fold ${fold + 1} of ${names.length}${given ? ` (${called})` : ''}${repeated}`)
        const name = `repeat-${repeat + 1}-fold-${fold + 1}`
        const [test, train] = [true, false].map((own) => videos.filter((_, i) => (foldOf[i] === fold) === own))
        const found = await trainFold(configuration, { name, train, test }, { ...others, onNote, out })
        tested.push(...found.tested)
        for (const { id, reason } of found.failures) failures.set(id, reason)
        perFold.push({ repeat, fold, name: called, ...found.result })
      }
      const groups = bundleNumbers(tested.map(({ video }) => video))
      perRepeat.push(
        scorePredictions(
          tested.map(({ probabilities }) => probabilities),
          tested.map(({ video }) => video.class),
          { labels: classes, groups },
        ),
      )
    }
    const result = {
      ...summaryOf(perRepeat, videos),
      ...{ folder: path.resolve(out), folds: divisions[0].names.length, repeats, perFold },
      failures: [...failures].map(([id, reason]) => ({ id, reason })),
    }
    await write(out, { state: 'finished', ...result, perRepeat })
    return result
  } finally {
    await lock.release()
  }
}

interface TestedVideo {
  readonly video: LabeledVideo
  readonly probabilities: Float64Array
}

/** Trains and tests the classifier of one fold. */
async function trainFold(
  configuration: FinetuneConfiguration,
  { name, train, test }: { readonly name: string } & Record<'train' | 'test', readonly LabeledVideo[]>,
  { out, ...options }: FinetuneOptions,
): Promise<{
  readonly result: Pick<FoldResult, 'run' | 'videos' | 'top1'>
  readonly tested: readonly TestedVideo[]
  readonly failures: FinetuneResult['failures']
}> {
  const { data, mode, probe } = configuration
  const list = path.join(out, `${name}.csv`)
  await writeSplitFile(list, { train, validation: [], test })
  const own = {
    ...configuration,
    data: { ...data, path: list, official: true },
    // The features of a video are the same in all folds.
    probe: mode === 'full' ? probe : { ...probe, cache: probe.cache ?? path.join(out, 'features') },
  }
  const trained = await finetune(own, { ...options, out: path.join(out, name) })
  const { videos } = await openDataset(list, { digests: false, signal: options.signal })
  const keyById = new Map(videos.map((video) => [video.id, keyOf(video)]))
  const byKey = new Map(test.map((video) => [keyOf(video), video]))
  const { predictions = [], failures = [] } = trained.test ?? {}
  const right = predictions.filter(({ label, predicted }) => label === predicted).length
  return {
    result: {
      run: trained.run,
      videos: predictions.length,
      top1: predictions.length === 0 ? null : right / predictions.length,
    },
    tested: predictions.map(({ id, probabilities }) => ({
      video: byKey.get(keyById.get(id)!)!,
      probabilities: Float64Array.from(probabilities),
    })),
    failures,
  }
}

const keyOf = ({ path: file, start, end }: LabeledVideo): string => `${path.resolve(file)}#${start ?? ''}-${end ?? ''}`

function summaryOf(perRepeat: readonly Scores[], videos: readonly LabeledVideo[]) {
  const mean = (of: (scores: Scores) => number): number =>
    perRepeat.reduce((sum, scores) => sum + of(scores), 0) / perRepeat.length
  const sizes = new Map<number, number>()
  for (const bundle of bundleNumbers(videos)) sizes.set(bundle, (sizes.get(bundle) ?? 0) + 1)
  const [{ videos: count, groups, baseline }] = perRepeat
  return {
    videos: count,
    groups,
    top1: wilsonInterval(
      mean(({ top1 }) => top1.value),
      effectiveTrials([...sizes.values()]),
    ),
    balanced: {
      value: mean(({ balanced }) => balanced.value),
      low: Math.min(...perRepeat.map(({ balanced }) => balanced.low)),
      high: Math.max(...perRepeat.map(({ balanced }) => balanced.high)),
    },
    baseline,
  }
}

function write(out: string, result: object): Promise<void> {
  const document = { format: 'videomae-cross-validation', version: 1, ...result }
  return writeFileAtomic(path.join(out, resultFile), `${JSON.stringify(document, null, 2)}\n`)
}
