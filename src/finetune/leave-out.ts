/** What heads that never saw a video say about it: the choices of closed-form heads without validation videos. */
import { RandomStream } from '../core/random.ts'
import type { LabeledVideo } from '../dataset/dataset.ts'
import { bundles } from '../dataset/split.ts'
import { type FeatureRows, standardized } from '../inference/feature-rows.ts'
import { leaveGroupsOut } from '../numeric/leave-out.ts'
import type { LabeledRows } from '../numeric/ridge.ts'
import { standardization } from '../numeric/standardization.ts'
import { Matmul } from '../numeric/wasm/matmul.ts'

export interface LeaveOutOptions {
  /** Draws the groups that are looked at where there are many rows. */
  readonly seed: number
  /** Rows that are looked at: memory grows with their square, time with their third power. Default 1,000. */
  readonly mostRows?: number
}

export interface LeaveOutScores {
  /** The rows that were looked at, of whole groups, whose class other groups have, too. */
  readonly rows: FeatureRows
  /**
   * Scores of each row by a head that is trained without its group, [classes], for each strength; -Infinity for classes that no other
   * group has.
   */
  readonly scores: readonly (readonly Float64Array[])[]
}

/**
 * Scores of training videos by ridge heads that are trained without them and without what belongs to them: videos of their group,
 * of equal content, and parts of their file. Of many rows, a random part of whole groups is looked at. Rows are
 * standardized together, without labels.
 *
 * A head knows only the classes that it was trained on. The score of another class would be 0, which wins where all others are below: of
 * one video of each class, every one would look right.
 *
 * @param lambdas strengths, per training row
 * @returns null where all videos belong together, or each class is in one group only
 * @throws VideoMaeError `RIDGE_SINGULAR`
 */
export function leaveVideosOut(
  train: FeatureRows,
  classes: number,
  lambdas: readonly number[],
  options: LeaveOutOptions,
): LeaveOutScores | null {
  const { rows, groups } = drawnRows(train, options)
  if (new Set(groups).size < 2) return null
  const samples = ridgeRows(standardized(rows, standardization(rows)), classes)
  const strengths = lambdas.map((lambda) => lambda * rows.count)
  const found = leaveGroupsOut(samples, groups, strengths, new Matmul('f64'))
  const elsewhere = classesElsewhere(rows.labels, groups, classes)
  const judged = Int32Array.from(rows.labels.keys()).filter((i) => elsewhere(groups[i], rows.labels[i]))
  if (judged.length === 0) return null
  const rowOf = (scores: Float64Array, i: number) =>
    scores
      .slice(i * classes, (i + 1) * classes)
      .map((score, c) => (elsewhere(groups[i], c) ? score : Number.NEGATIVE_INFINITY))
  return {
    rows: selected(rows, judged),
    scores: found.map((scores) => Array.from(judged, (i) => rowOf(scores, i))),
  }
}

/** Whether a class has rows outside a group. */
function classesElsewhere(
  labels: Int32Array,
  groups: Int32Array,
  classes: number,
): (group: number, label: number) => boolean {
  // The only group of each class; -1 where it has several, -2 where it has none.
  const only = new Int32Array(classes).fill(-2)
  for (const [i, label] of labels.entries())
    only[label] = only[label] === -2 || only[label] === groups[i] ? groups[i] : -1
  return (group, label) => only[label] === -1 || (only[label] >= 0 && only[label] !== group)
}

/** Rows in float64 with a last value of 1 for the bias. */
export function ridgeRows(rows: FeatureRows, classes: number): LabeledRows {
  const { count, width, labels } = rows
  const inputs = new Float64Array(count * (width + 1))
  for (let i = 0; i < count; i++) {
    inputs.set(rows.row(i), i * (width + 1))
    inputs[i * (width + 1) + width] = 1
  }
  return { count, width, classes, inputs, labels, bucketSizes: [count], buckets: [0] }
}

/**
 * The group of each video that is looked at: all of them or, where there are many rows, whole groups in random order. -1 stands for a
 * video that is not. The first group is taken whatever its size.
 *
 * @param rowsOf rows of each video
 */
export function drawGroups<Video extends Pick<LabeledVideo, 'group' | 'digest'>>(
  videos: readonly Video[],
  rowsOf: (video: number) => number,
  { seed, mostRows = 1000 }: LeaveOutOptions,
): Int32Array {
  const numbered = videos.map((video, v) => ({ ...video, v }))
  const order = new RandomStream(seed, 'groups to leave out').shuffle(bundles(numbered))
  const groupOf = new Int32Array(videos.length).fill(-1)
  let count = 0
  for (const [g, group] of order.entries()) {
    const more = group.reduce((sum, { v }) => sum + rowsOf(v), 0)
    if (count > 0 && count + more > mostRows) continue
    count += more
    for (const { v } of group) groupOf[v] = g
  }
  return groupOf
}

/** The rows of the drawn groups, and the group of each. */
function drawnRows(
  train: FeatureRows,
  options: LeaveOutOptions,
): { readonly rows: FeatureRows; readonly groups: Int32Array } {
  const views = new Int32Array(train.videos.length)
  for (const owner of train.owners) views[owner]++
  const groupOf = drawGroups(train.videos, (v) => views[v], options)
  const taken = Int32Array.from(train.owners.keys()).filter((i) => groupOf[train.owners[i]] >= 0)
  return { rows: selected(train, taken), groups: taken.map((i) => groupOf[train.owners[i]]) }
}

/** The rows `taken`, which are all rows of some videos: what is kept of each video is in the order of these. */
function selected(train: FeatureRows, taken: Int32Array): FeatureRows {
  if (taken.length === train.count) return train
  const indices = new Map([...new Set(taken.map((i) => train.owners[i]))].map((owner, index) => [owner, index]))
  return {
    ...train,
    count: taken.length,
    labels: taken.map((i) => train.labels[i]),
    owners: taken.map((i) => indices.get(train.owners[i])!),
    videos: [...indices.keys()].map((owner) => train.videos[owner]),
    row: (i) => train.row(taken[i]),
  }
}
