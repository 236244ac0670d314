import type { LabeledVideo } from '../dataset/dataset.ts'
import { type Standardization, standardizeRow } from '../numeric/standardization.ts'
import type { ComputedFeatures } from './features.ts'
import type { ValidationScores } from './scores.ts'
import { largest } from './scores.ts'

/** Labeled features to train or test a head on. */
export interface FeatureRows {
  readonly count: number
  /** Shape of a row, [D] or [N, D]. */
  readonly shape: readonly number[]
  /** Values of a row. */
  readonly width: number
  /** Class of each row. */
  readonly labels: Int32Array
  /** Which of `videos` each row is of; several rows where there are several views. */
  readonly owners: Int32Array
  readonly videos: readonly LabeledVideo[]
  /** Row i, [width]; not to be changed. */
  row(i: number): Float32Array
}

/** Reads the features of all videos into memory. */
export async function readRows(computed: ComputedFeatures<LabeledVideo>): Promise<FeatureRows> {
  const { store, videos, shape } = computed
  const parts: Float32Array[] = []
  const owners: number[] = []
  for (const [v, { digest }] of videos.entries()) {
    const rows = await store.read(digest)
    for (let from = 0; from < rows.length; from += store.width) {
      parts.push(rows.subarray(from, from + store.width))
      owners.push(v)
    }
  }
  return {
    count: parts.length,
    shape,
    width: store.width,
    labels: Int32Array.from(owners, (v) => videos[v].video.class),
    owners: Int32Array.from(owners),
    videos: videos.map(({ video }) => video),
    row: (i) => parts[i],
  }
}

/** Some rows side by side, [rows.length, width]. */
export function takeRows(rows: FeatureRows, indices: ArrayLike<number>): Float32Array {
  const out = new Float32Array(indices.length * rows.width)
  for (let i = 0; i < indices.length; i++) out.set(rows.row(indices[i]), i * rows.width)
  return out
}

/** Rows with their mean taken out and divided by their deviation. */
export function standardized(rows: FeatureRows, statistics: Standardization): FeatureRows {
  const cache = new Map<number, Float32Array>()
  return {
    ...rows,
    row(i) {
      const known = cache.get(i)
      if (known !== undefined) return known
      const made = standardizeRow(rows.row(i), statistics, new Float32Array(rows.width))
      cache.set(i, made)
      return made
    },
  }
}

/**
 * The same linear head for rows as they are: W (x - mean) / deviation + b.
 *
 * @param weight [classes, D]
 */
export function unstandardized(head: LinearWeights, { mean, deviation }: Standardization): LinearWeights {
  const width = mean.length
  const weight = new Float32Array(head.weight.length)
  const bias = new Float32Array(head.bias.length)
  for (let c = 0; c < bias.length; c++) {
    let shift = head.bias[c]
    for (let k = 0; k < width; k++) {
      const scaled = head.weight[c * width + k] / deviation[k]
      weight[c * width + k] = scaled
      shift -= scaled * mean[k]
    }
    bias[c] = shift
  }
  return { weight, bias }
}

export interface LinearWeights {
  /** [classes, D] */
  readonly weight: Float32Array
  /** [classes] */
  readonly bias: Float32Array
}

/** Logits of a row, [classes]. */
export function linearLogits({ weight, bias }: LinearWeights, row: Float32Array): Float64Array {
  const width = row.length
  return Float64Array.from(bias, (b, c) => {
    let sum = b
    for (let k = 0; k < width; k++) sum += weight[c * width + k] * row[k]
    return sum
  })
}

export function softmaxOf(logits: ArrayLike<number>): Float64Array {
  let largest = Number.NEGATIVE_INFINITY
  for (let c = 0; c < logits.length; c++) largest = Math.max(largest, logits[c])
  const out = Float64Array.from(logits, (value) => Math.exp(value - largest))
  const sum = out.reduce((a, b) => a + b, 0)
  return out.map((value) => value / sum)
}

/** Mean over the rows of each video of the softmax of its logits, [classes] per video. */
export function mergeViews(
  rows: FeatureRows,
  logitsOf: (row: number) => ArrayLike<number>,
  classes: number,
): Float64Array[] {
  const merged = rows.videos.map(() => new Float64Array(classes))
  const views = new Int32Array(rows.videos.length)
  for (const owner of rows.owners) views[owner]++
  for (let i = 0; i < rows.count; i++) {
    const owner = rows.owners[i]
    const probabilities = softmaxOf(logitsOf(i))
    for (let c = 0; c < classes; c++) merged[owner][c] += probabilities[c] / views[owner]
  }
  return merged
}

/** Share of videos whose largest merged probability is that of their class, and the mean -log of it. */
export function accuracyOf(rows: FeatureRows, merged: readonly Float64Array[]): ValidationScores {
  let right = 0
  let loss = 0
  for (const [v, video] of rows.videos.entries()) {
    const row = merged[v]
    if (largest(row) === video.class) right++
    loss -= Math.log(Math.max(row[video.class], 1e-12))
  }
  return { accuracy: right / rows.videos.length, loss: loss / rows.videos.length }
}
