import { invalidArgument } from '../core/errors.ts'
import { percent } from '../core/percent.ts'
import { wilsonInterval } from '../core/wilson-interval.ts'
import type { LabeledVideo } from '../dataset/dataset.ts'
import { bundleNumbers } from '../dataset/split.ts'
import { balancedAccuracy } from './balanced-interval.ts'

/**
 * A value and the bounds of its 95 % interval. Shares of videos (top-1, top-5) have the interval of Wilson (1927). Videos of one
 * group are not independent, so the number of trials is that of groups, fewer where groups differ in size: `effectiveTrials`. The interval of
 * balanced accuracy is that of Korn and Graubard (1998): `balancedAccuracy`.
 */
export interface Estimate {
  readonly value: number
  readonly low: number
  readonly high: number
}

/** What is right without looking at a video. */
export interface Baseline {
  /** Always answering the most frequent class of these videos: the class, and the share that is right. */
  readonly majority: { readonly label: string; readonly value: number }
  /** Answering one of all classes at random. */
  readonly chance: number
}

export interface ClassScores {
  readonly label: string
  /** Videos of the class, and videos predicted to be of it. */
  readonly videos: number
  readonly predicted: number
  /** Share of its videos that were found; null without videos. */
  readonly recall: number | null
  /** Share of its predictions that were right; null without predictions. */
  readonly precision: number | null
}

export interface Scores {
  readonly videos: number
  /** Groups of videos that are independent of each other: trials of the intervals. */
  readonly groups: number
  readonly top1: Estimate
  readonly baseline: Baseline
  /** Null with five classes or fewer. */
  readonly top5: Estimate | null
  /** Mean recall over the classes that have videos. */
  readonly balanced: Estimate
  /** Mean negative log-likelihood, nats. */
  readonly loss: number
  /** Expected calibration error (Guo et al. 2017), 15 bins of equal width, 0 to 1. */
  readonly calibrationError: number
  readonly perClass: readonly ClassScores[]
  /** [true class][predicted class] */
  readonly confusion: readonly (readonly number[])[]
}

export interface ScoreOptions {
  readonly labels: readonly string[]
  /** What each video belongs to, as of `bundleNumbers`: videos of one group, parts of one file and copies are not independent. Default: each is alone. */
  readonly groups?: readonly (string | number)[]
}

/**
 * Scores of predictions.
 *
 * @param probabilities [videos, classes]
 * @param truth class of each video
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function scorePredictions(
  probabilities: readonly Float64Array[],
  truth: readonly number[],
  { labels, groups }: ScoreOptions,
): Scores {
  const count = truth.length
  const classes = labels.length
  if (count === 0) throw invalidArgument('predictions', 'at least one readable video', count)
  if (probabilities.length !== count) throw invalidArgument('probabilities', `${count} rows`, probabilities.length)
  const ranks = probabilities.map((row, i) => rankOf(row, truth[i]))
  const predicted = probabilities.map(largest)
  const right = ranks.map((rank) => (rank === 0 ? 1 : 0))
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0))
  for (let i = 0; i < count; i++) confusion[truth[i]][predicted[i]]++

  const together = clusters(count, groups)
  const independent = effectiveTrials(together.map((rows) => rows.length))
  const share = (hits: readonly number[]): Estimate =>
    wilsonInterval(hits.reduce((sum, hit) => sum + hit, 0) / count, independent)
  return {
    videos: count,
    groups: together.length,
    top1: share(right),
    baseline: baselineOf(truth, labels),
    top5: classes > 5 ? share(ranks.map((rank) => (rank < 5 ? 1 : 0))) : null,
    balanced: balancedAccuracy({ truth, right, classes, groups: together }),
    loss: probabilities.reduce((sum, row, i) => sum - Math.log(Math.max(row[truth[i]], 1e-12)), 0) / count,
    calibrationError: calibrationError(
      probabilities.map((row, i) => row[predicted[i]]),
      right,
    ),
    perClass: labels.map((label, c) => classScores(label, c, confusion)),
    confusion,
  }
}

/**
 * The number of independent trials that groups of videos are worth where the videos of a group are right or wrong together:
 * (sum n)^2 / sum n^2 (Kish 1965). Groups of one size count one each. A large group next to small ones counts less than they do.
 *
 * @param sizes videos of each group
 */
export function effectiveTrials(sizes: readonly number[]): number {
  const sum = sizes.reduce((total, size) => total + size, 0)
  return (sum * sum) / sizes.reduce((total, size) => total + size * size, 0)
}

/**
 * What is right without looking at a video.
 *
 * @param truth class of each video, at least one
 */
export function baselineOf(truth: readonly number[], labels: readonly string[]): Baseline {
  const counts = new Array<number>(labels.length).fill(0)
  for (const c of truth) counts[c]++
  const most = largest(counts)
  return { majority: { label: labels[most], value: counts[most] / truth.length }, chance: 1 / labels.length }
}

/**
 * An accuracy next to what is right without looking, and how many groups of videos it rests on.
 *
 * @param videos those that were predicted
 */
export function accuracyBeside(
  accuracy: number,
  videos: readonly Pick<LabeledVideo, 'class' | 'group' | 'path' | 'digest'>[],
  labels: readonly string[],
): { readonly accuracy: Estimate; readonly baseline: Baseline; readonly videos: number; readonly groups: number } {
  const sizes = clusters(videos.length, bundleNumbers(videos)).map((rows) => rows.length)
  const baseline = baselineOf(
    videos.map((video) => video.class),
    labels,
  )
  const interval = wilsonInterval(accuracy, effectiveTrials(sizes))
  return { accuracy: interval, baseline, videos: videos.length, groups: sizes.length }
}

/** Says so where an accuracy may be no better than always giving the most frequent answer; else null. */
export function majorityWarning(what: string, { value, low, high }: Estimate, { majority }: Baseline): string | null {
  if (low > majority.value) return null
  return (
    `${what} ${percent(value)} (95 %: ${percent(low)} to ${percent(high)}) is ${high < majority.value ? 'worse than' : 'not shown to be better than'} always answering ` +
    `${majority.label}, which is right for ${percent(majority.value)}.`
  )
}

/** Says so where every video was given the same class; else null. */
export function constantWarning({ videos, perClass }: Pick<Scores, 'videos' | 'perClass'>): string | null {
  const only = perClass.find(({ predicted }) => predicted === videos)
  return only === undefined || videos < 2 ? null : `the classifier answers ${only.label} for every video.`
}

/** How many classes have a higher probability than the true one; equal ones count where they come first. */
function rankOf(row: Float64Array, truth: number): number {
  let rank = 0
  for (let c = 0; c < row.length; c++) if (row[c] > row[truth] || (row[c] === row[truth] && c < truth)) rank++
  return rank
}

export function largest(row: ArrayLike<number>): number {
  let best = 0
  for (let c = 1; c < row.length; c++) if (row[c] > row[best]) best = c
  return best
}

function classScores(label: string, c: number, confusion: readonly (readonly number[])[]): ClassScores {
  const videos = confusion[c].reduce((a, b) => a + b, 0)
  const predicted = confusion.reduce((sum, row) => sum + row[c], 0)
  const hits = confusion[c][c]
  return {
    label,
    videos,
    predicted,
    recall: videos === 0 ? null : hits / videos,
    precision: predicted === 0 ? null : hits / predicted,
  }
}

/** Sum over bins of (share of videos in the bin) * |accuracy - mean confidence|. */
export function calibrationError(confidence: readonly number[], right: readonly number[], bins = 15): number {
  const sums = Array.from({ length: bins }, () => ({ count: 0, right: 0, confidence: 0 }))
  for (const [i, value] of confidence.entries()) {
    const bin = sums[Math.min(bins - 1, Math.floor(value * bins))]
    bin.count++
    bin.right += right[i]
    bin.confidence += value
  }
  return sums.reduce((error, bin) => error + Math.abs(bin.right - bin.confidence), 0) / confidence.length
}

/** Rows of each group. */
function clusters(count: number, groups: readonly (string | number)[] | undefined): number[][] {
  const byGroup = new Map<string | number, number[]>()
  for (let i = 0; i < count; i++) {
    const key = groups?.[i] ?? i
    const rows = byGroup.get(key)
    if (rows === undefined) byGroup.set(key, [i])
    else rows.push(i)
  }
  return [...byGroup.values()]
}

/** What checkpoints, epochs and strengths are chosen by. */
export interface ValidationScores {
  readonly accuracy: number
  /** Mean -log of the probability of the true class. */
  readonly loss: number
}

/** Higher accuracy, then lower loss; the earlier of equals stays. */
export function isBetter(scores: ValidationScores, best: ValidationScores | null): boolean {
  if (best === null) return true
  return scores.accuracy > best.accuracy || (scores.accuracy === best.accuracy && scores.loss < best.loss)
}
