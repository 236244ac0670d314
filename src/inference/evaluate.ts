import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { percent } from '../core/percent.ts'
import { printable } from '../core/printable.ts'
import { copyWarnings } from '../dataset/copies.ts'
import { fileDigestOf, type LabeledVideo } from '../dataset/dataset.ts'
import { bundleNumbers } from '../dataset/split.ts'
import { Ranks } from '../distributed/ranks.ts'
import { replaceFile, writeFileAtomic } from '../format/atomic.ts'
import { requireOwnResults } from '../format/own-results.ts'
import { type TrainingUse, unknownUse } from '../train/training-use.ts'
import { confusionSvg } from './confusion-picture.ts'
import { usualViews } from './defaults.ts'
import type { ClipClassifier } from './predict-videos.ts'
import { predictOnRanks, type RankPredictionOptions } from './rank-predictions.ts'
import { constantWarning, largest, majorityWarning, type Scores, scorePredictions } from './scores.ts'
import { formatTrainedOn, type TrainedOn, trainedOnOf, useOf, withDigests } from './trained-on.ts'

export interface EvaluatedVideo {
  /** Path within the data set. */
  readonly id: string
  readonly label: string
  /** SHA-256 of its file; null where it was not digested. Pages show frames of a file only where its content agrees. */
  readonly sha256: string | null
  readonly predicted: string
  /** Probability of the prediction. */
  readonly confidence: number
  /** Probability of every class, in the order of the labels. */
  readonly probabilities: readonly number[]
}

/** Predictions for labeled videos, and the scores over them. */
export interface Evaluation {
  /** Names of the classes, in the order of their indices. */
  readonly labels: readonly string[]
  /** Temporal and spatial views of each video. */
  readonly views: { readonly clips: number; readonly crops: number }
  /** Accuracy, loss and calibration, with intervals. */
  readonly scores: Scores
  /** One for each video that could be read. */
  readonly predictions: readonly EvaluatedVideo[]
  /** Which of the scored videos trained the classifier, and the scores of the others. */
  readonly trainedOn: TrainedOn
  /** What a user should know of the scores, one sentence each. */
  readonly warnings: readonly string[]
  /** Videos that could not be read: counted, named, and not part of the scores. */
  readonly failures: readonly VideoFailure[]
}

/**
 * Tests a classifier on labeled videos from several views each. Videos that it was trained on are counted by their contents, where
 * its training wrote them down, on rank 0; other ranks leave that out.
 *
 * @throws VideoMaeError `NOTHING_TO_EVALUATE` when no video can be read; what `predictVideos` and `trainingUse` throw
 *
 * @example
 * ```ts
 * import { evaluateVideos, openAnyClassifier, openDataset, videosOfSplit } from 'videomae'
 *
 * const { videos } = await openDataset('videos/labels.csv')
 * const classifier = await openAnyClassifier('checkpoints/classifier')
 * const { labels, scores } = await evaluateVideos(classifier, videosOfSplit(videos, 'test'))
 * await classifier.close()
 * labels.length // => 8
 * scores.videos // => 16
 * ```
 */
export async function evaluateVideos(
  classifier: ClipClassifier,
  videos: readonly LabeledVideo[],
  options: RankPredictionOptions = {},
): Promise<Evaluation> {
  const { clips = usualViews.evaluation.clips, crops = usualViews.evaluation.crops, ...loading } = options
  const { ranks = Ranks.alone() } = options
  const [use, compared] = await ranks.agree(async () =>
    ranks.rank > 0
      ? [unknownUse('rank 0 looks at it'), videos]
      : [await useOf(classifier), await withDigests(videos, loading.signal)],
  )
  const predictions = await predictOnRanks(classifier, videos, { clips, crops, ...loading })
  const results = predictions.map((prediction): VideoResult => {
    const video = compared[prediction.index]
    if (prediction.ok) return { video, probabilities: prediction.probabilities }
    return { video, failure: { id: video.id, code: prediction.code, reason: prediction.reason } }
  })
  return ranks.agree(() => evaluationOf(results, { labels: classifier.labels, clips, crops, use }))
}

export interface VideoFailure {
  readonly id: string
  readonly code: string
  readonly reason: string
}

/** What came of one video: its merged probabilities, or why there are none. */
export type VideoResult =
  | { readonly video: LabeledVideo; readonly probabilities: Float64Array; readonly failure?: undefined }
  | { readonly video: LabeledVideo; readonly probabilities?: undefined; readonly failure: VideoFailure }

/**
 * Scores results that are at hand.
 *
 * @throws VideoMaeError `NOTHING_TO_EVALUATE` when there are only failures
 */
export function evaluationOf(
  results: readonly VideoResult[],
  options: {
    readonly labels: readonly string[]
    readonly clips: number
    readonly crops: number
    /** What the classifier was trained on. */
    readonly use: TrainingUse
  },
): Evaluation {
  const { labels, clips, crops, use } = options
  const tested = results.flatMap(({ video, probabilities }) => (probabilities ? [{ video, probabilities }] : []))
  const failures = results.flatMap(({ failure }) => (failure ? [failure] : []))
  if (tested.length === 0) {
    const first = failures[0] === undefined ? 'there are none' : failures[0].reason
    throw new VideoMaeError(`Expected at least one readable video to evaluate on: ${first}`, {
      code: 'NOTHING_TO_EVALUATE',
      exit: 'data',
    })
  }
  const predictions = tested.map(({ video, probabilities }) => {
    const best = largest(probabilities)
    return {
      id: video.id,
      label: video.label,
      sha256: fileDigestOf(video) || null,
      predicted: labels[best],
      confidence: probabilities[best],
      probabilities: Array.from(probabilities),
    }
  })
  const scoresOf = (results: typeof tested): Scores =>
    scorePredictions(
      results.map(({ probabilities }) => probabilities),
      results.map(({ video }) => video.class),
      { labels, groups: bundleNumbers(results.map(({ video }) => video)) },
    )
  const scores = scoresOf(tested)
  const { warning, ...trainedOn } = trainedOnOf(tested, use, scoresOf)
  const warnings = [
    ...[majorityWarning('top-1', scores.top1, scores.baseline), constantWarning(scores), warning].filter(
      (text) => text !== null,
    ),
    ...copyWarnings(
      tested.map(({ video }) => video),
      'intervals count copies as one video',
    ),
  ]
  return { labels, views: { clips, crops }, scores, trainedOn, warnings, predictions, failures }
}

const evaluationFiles = ['evaluation.json', 'predictions.jsonl', 'confusion.json', 'confusion.svg', 'confusion.png']

/**
 * Refuses a folder where an evaluation would replace files of other origin. `evaluation.json` is written first, so that an interrupted
 * command leaves no others without it.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN`
 */
export function requireEvaluationFolder(folder: string): Promise<void> {
  return requireOwnResults(folder, {
    what: 'that of an earlier evaluation',
    isWritten: (name) => evaluationFiles.includes(name),
    main: 'evaluation.json',
    begins: /^\{\s*"views":/,
  })
}

/**
 * Writes `evaluation.json`, `predictions.jsonl`, `confusion.json`, `confusion.svg` and `confusion.png` into a folder.
 *
 * @returns paths of the files
 * @throws VideoMaeError `OUTPUT_TAKEN`
 */
export async function writeEvaluation(folder: string, evaluation: Evaluation): Promise<string[]> {
  const { labels, views, scores, trainedOn, warnings, predictions, failures } = evaluation
  await requireEvaluationFolder(folder)
  makeFolder(folder)
  const { confusion, ...rest } = scores
  const svg = confusionSvg(confusion, labels)
  const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`
  const files: [string, string][] = [
    ['evaluation.json', json({ views, ...rest, trainedOn, warnings, failures })],
    ['predictions.jsonl', predictions.map((prediction) => `${JSON.stringify(prediction)}\n`).join('')],
    ['confusion.json', json({ labels, rows: 'true class', columns: 'predicted class', confusion })],
    ['confusion.svg', svg],
  ]
  for (const [name, text] of files) await writeFileAtomic(path.join(folder, name), text)
  const { default: sharp } = await import('sharp')
  const picture = path.join(folder, 'confusion.png')
  await replaceFile(picture, async (temporary) => {
    await sharp(Buffer.from(svg)).png().toFile(temporary)
  })
  return [...files.map(([name]) => path.join(folder, name)), picture]
}

/** A few lines for people: scores with intervals, the classes that do worst, and what could not be read. */
export function formatEvaluation({ labels, views, scores, trainedOn, warnings, failures }: Evaluation): string {
  const estimate = ({ value, low, high }: { value: number; low: number; high: number }): string =>
    `${percent(value)}  (95 %: ${percent(low)} to ${percent(high)})`
  const { majority, chance } = scores.baseline
  const lines = [
    `${scores.videos} video${scores.videos === 1 ? '' : 's'}${scores.groups === scores.videos ? '' : ` in ${scores.groups} groups`}, ${views.clips} x ${views.crops} views each${failures.length === 0 ? '' : `, ${failures.length} unreadable`}`,
    `top-1      ${estimate(scores.top1)}`,
    `baselines  ${percent(majority.value)} always ${majority.label}, ${percent(chance)} chance of ${labels.length} classes`,
    ...(scores.top5 === null ? [] : [`top-5      ${estimate(scores.top5)}`]),
    `balanced   ${estimate(scores.balanced)}`,
    `calibration error ${percent(scores.calibrationError)}, loss ${scores.loss.toFixed(4)}`,
  ]
  lines.push(`trained on ${formatTrainedOn(trainedOn)}`)
  for (const warning of warnings) lines.push(`warning: ${warning}`)
  const classes = [...scores.perClass].sort((a, b) => (a.recall ?? 2) - (b.recall ?? 2))
  const width = Math.max(...classes.map(({ label }) => label.length))
  const shown = classes.slice(0, 20)
  for (const { label, videos, recall, precision } of shown) {
    const of = (value: number | null): string => (value === null ? '-' : percent(value)).padStart(8)
    lines.push(
      `  ${label.padEnd(width)}  ${String(videos).padStart(5)} videos  recall ${of(recall)}  precision ${of(precision)}`,
    )
  }
  if (shown.length < classes.length)
    lines.push(`  and ${classes.length - shown.length} more classes with higher recall`)
  for (const { reason } of failures.slice(0, 20)) lines.push(`unreadable: ${reason}`)
  if (failures.length > 20) lines.push(`and ${failures.length - 20} more (evaluation.json)`)
  return `${lines.map(printable).join('\n')}\n`
}
