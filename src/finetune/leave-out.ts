/** What heads that never saw a video say about it: the choices of closed-form heads without validation videos. */
import { RandomStream } from '../core/random.ts'
import type { LabelledVideo } from '../dataset/dataset.ts'
import { bundles } from '../dataset/split.ts'
import { type FeatureRows, standardisation, standardised } from '../inference/feature-rows.ts'
import { leaveGroupsOut } from '../numeric/leave-out.ts'
import type { LabelledRows } from '../numeric/ridge.ts'
import { DenseProduct } from '../numeric/wasm/product.ts'

export interface LeaveOutOptions {
  /** Draws the groups that are looked at where there are many rows. */
  readonly seed: number
  /** Rows that are looked at: memory grows with their square, time with their third power. Default 1,000. */
  readonly mostRows?: number
}

export interface LeftOut {
  /** The rows that were looked at, of whole groups. */
  readonly rows: FeatureRows
  /** Scores of each row by a head that is trained without its group, [classes], for each strength. */
  readonly scores: readonly (readonly Float64Array[])[]
}

/**
 * Scores of training videos by ridge heads that are trained without them and without what belongs to them: videos of their group,
 * of equal content, and parts of their file. Of many rows, a random part of whole groups is looked at. Rows are
 * standardised together, without labels.
 *
 * @param lambdas strengths, per training row
 * @returns null where all videos belong together
 * @throws VideoMaeError `RIDGE_SINGULAR`
 */
export function leaveVideosOut(
  train: FeatureRows,
  classes: number,
  lambdas: readonly number[],
  options: LeaveOutOptions,
): LeftOut | null {
  const { rows, groups } = drawnRows(train, options)
  if (new Set(groups).size < 2) return null
  const samples = ridgeRows(standardised(rows, standardisation(rows)), classes)
  const strengths = lambdas.map((lambda) => lambda * rows.count)
  const found = leaveGroupsOut(samples, groups, strengths, new DenseProduct('f64'))
  const rowOf = (scores: Float64Array, i: number) => scores.subarray(i * classes, (i + 1) * classes)
  return { rows, scores: found.map((scores) => Array.from({ length: rows.count }, (_, i) => rowOf(scores, i))) }
}

/** Rows in float64 with a last value of 1 for the bias. */
export function ridgeRows(rows: FeatureRows, classes: number): LabelledRows {
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
export function drawGroups<Video extends Pick<LabelledVideo, 'group' | 'digest'>>(
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
  const groups = taken.map((i) => groupOf[train.owners[i]])
  if (taken.length === train.count) return { rows: train, groups }
  const places = new Map([...new Set(taken.map((i) => train.owners[i]))].map((owner, place) => [owner, place]))
  const rows: FeatureRows = {
    ...train,
    count: taken.length,
    labels: taken.map((i) => train.labels[i]),
    owners: taken.map((i) => places.get(train.owners[i])!),
    videos: [...places.keys()].map((owner) => train.videos[owner]),
    row: (i) => train.row(taken[i]),
  }
  return { rows, groups }
}
