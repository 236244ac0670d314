/** Signs of learning, from the features of clips and of the same clips backward. */
import { effectiveRank } from '../../numeric/effective-rank.ts'
import { leaveGroupsOut } from '../../numeric/leave-out.ts'
import { standardization, standardizeRow } from '../../numeric/standardization.ts'
import { Matmul } from '../../numeric/wasm/matmul.ts'
import type { Movement } from './flow.ts'

/** What an encoder knows of videos, measured without labels. Accuracies are shares; chance is 0.5. */
export interface LearningSigns {
  /** How often a ridge head tells a clip from the same clip backward. */
  readonly arrowOfTime: number
  /**
   * How often ridge heads tell where the picture moves to: right or left, down or up; the mean of the two. Asked of the half of
   * the clips that moves most that way, forward and backward, so a single frame says nothing.
   */
  readonly flowDirection: number
  /** See `effectiveRank`: directions that the mean features of the clips use, 1 where they have collapsed. */
  readonly effectiveRank: number
}

export interface ProbeFeatures {
  /** Clips, each of another video. */
  readonly count: number
  /** [count, width], the clips as they are. */
  readonly mean: Float32Array
  readonly width: number
  /** [2 * count, stepsWidth]: each clip, and behind it the same clip backward. */
  readonly steps: Float32Array
  readonly stepsWidth: number
}

/**
 * Ridge heads on standardized features, lambda = the number of rows, each clip judged by a head that was trained without it and without
 * its copy backward.
 *
 * @param movements of each clip
 * @throws VideoMaeError `RIDGE_SINGULAR`
 */
export function measureSigns(features: ProbeFeatures, movements: readonly Movement[]): LearningSigns {
  const { count, mean, width, stepsWidth } = features
  const matmul = new Matmul('f64')
  const rows = standardizedRows(features.steps, 2 * count, stepsWidth)
  const all = Array.from({ length: count }, (_, i) => i)
  const accuracy = (clips: readonly number[], isFirst: (clip: number) => boolean): number =>
    toldApart(rows, stepsWidth, clips, isFirst, matmul)
  const [horizontal, vertical] = (['x', 'y'] as const).map((axis) =>
    accuracy(mostMoving(movements, axis), (clip) => movements[clip][axis] > 0),
  )
  return {
    arrowOfTime: accuracy(all, () => true),
    flowDirection: (horizontal + vertical) / 2,
    effectiveRank: effectiveRank(mean, count, width, matmul),
  }
}

/** Scores that differ by less are rounding: features that are the same forward and backward guess. */
const sameScore = 1e-9

/** The half of the clips that moves most along an axis. */
function mostMoving(movements: readonly Movement[], axis: 'x' | 'y'): number[] {
  const order = movements.map((movement, clip) => ({ clip, distance: Math.abs(movement[axis]) }))
  order.sort((a, b) => b.distance - a.distance || a.clip - b.clip)
  return order
    .slice(0, Math.ceil(order.length / 2))
    .map(({ clip }) => clip)
    .sort((a, b) => a - b)
}

/**
 * The share of clips, forward and backward, that a head gets right. A clip backward belongs to the other class.
 *
 * @param rows [2 * clips, width + 1], standardized, with a last value of 1
 */
function toldApart(
  rows: Float64Array,
  width: number,
  clips: readonly number[],
  isFirst: (clip: number) => boolean,
  matmul: Matmul<'f64'>,
): number {
  const depth = width + 1
  const count = 2 * clips.length
  const inputs = new Float64Array(count * depth)
  const labels = new Int32Array(count)
  const groups = new Int32Array(count)
  for (const [index, clip] of clips.entries()) {
    inputs.set(rows.subarray(2 * clip * depth, 2 * (clip + 1) * depth), 2 * index * depth)
    labels[2 * index] = isFirst(clip) ? 0 : 1
    labels[2 * index + 1] = 1 - labels[2 * index]
    groups.fill(index, 2 * index, 2 * index + 2)
  }
  const [scores] = leaveGroupsOut({ count, width, classes: 2, inputs, labels }, groups, [count], matmul)
  let right = 0
  for (const [row, label] of labels.entries()) {
    const [own, other] = [scores[2 * row + label], scores[2 * row + 1 - label]]
    right += Math.abs(own - other) < sameScore ? 0.5 : own > other ? 1 : 0
  }
  return right / count
}

/** Each column with mean 0 and deviation 1, or 0 where it has none, and a last column of ones: [count, width + 1]. */
function standardizedRows(features: Float32Array, count: number, width: number): Float64Array {
  const depth = width + 1
  const rows = new Float64Array(count * depth).fill(1)
  const row = (i: number): Float32Array => features.subarray(i * width, (i + 1) * width)
  const statistics = standardization({ count, width, row })
  for (let i = 0; i < count; i++) standardizeRow(row(i), statistics, rows.subarray(i * depth))
  return rows
}
