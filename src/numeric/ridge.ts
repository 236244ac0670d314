/**
 * Ridge regression on one-hot targets, bias included (and regularized) as a constant feature.
 *
 * Few samples (count <= width + 1): dual, W = X' (X X' + lambda I)^-1 Y. Otherwise primal through the statistics X'X and X'Y
 * of each bucket, added in ascending bucket order; with Finite Aggregation the d learners of a bucket share its statistics.
 * Which of the two depends on the learner's own size only.
 */
import { VideoMaeError } from '../core/errors.ts'
import { combineRows, oneHot, solvePositiveDefinite, transpose } from './linear-algebra.ts'
import type { Matmul } from './wasm/matmul.ts'

/** Labeled rows of one regression, bucket by bucket in ascending order. */
export interface LabeledRows {
  readonly count: number
  readonly width: number
  readonly classes: number
  /** [count, width + 1] features, the last column 1 for the bias. */
  readonly inputs: Float64Array
  /** [count] */
  readonly labels: Int32Array
  /** Bucket sizes, in order; they sum to `count`. */
  readonly bucketSizes: readonly number[]
  /** Bucket numbers, ascending. */
  readonly buckets: readonly number[]
}

/** X'X [depth, depth] and X'Y [depth, classes] of one bucket. */
interface BucketStatistics {
  readonly gram: Float64Array
  readonly moments: Float64Array
}

/** Statistics of buckets met before. Only speed depends on what it still holds. */
export class StatisticsCache {
  private readonly entries = new Map<number, BucketStatistics>()
  private readonly limit: number

  /** @param limit entries kept; the oldest goes first */
  constructor(limit: number) {
    this.limit = limit
  }

  get(bucket: number, compute: () => BucketStatistics): BucketStatistics {
    const known = this.entries.get(bucket)
    if (known !== undefined) return known
    const statistics = compute()
    this.entries.set(bucket, statistics)
    if (this.entries.size > this.limit) this.entries.delete(this.entries.keys().next().value ?? bucket)
    return statistics
  }
}

/** Symmetric product rows x rows' of [count, depth]: returns a view into the product's memory and its row stride. */
export function gramOfRows(
  matmul: Matmul<'f64'>,
  rows: Float64Array,
  count: number,
  depth: number,
): { gram: Float64Array; stride: number } {
  const [left, right, out] = matmul.reserve(
    matmul.leftLength(count, depth),
    matmul.rightLength(count, depth),
    matmul.outputLength(count, count),
  )
  matmul.packLeft(left, count, depth, rows)
  matmul.packRight(right, count, depth, rows)
  matmul.run(left, right, out, count, depth, count)
  return { gram: out, stride: matmul.outputStride(count) }
}

/** @returns [classes, width + 1] */
export function trainRidge(
  samples: LabeledRows,
  lambda: number,
  matmul: Matmul<'f64'>,
  cache: StatisticsCache,
): Float64Array {
  const depth = samples.width + 1
  return samples.count <= depth
    ? trainDual(samples, lambda, matmul)
    : transpose(trainPrimal(samples, lambda, matmul, cache), depth, samples.classes)
}

function trainDual(samples: LabeledRows, lambda: number, matmul: Matmul<'f64'>): Float64Array {
  const { count, classes, inputs, labels } = samples
  const depth = samples.width + 1
  const { gram, stride } = gramOfRows(matmul, inputs, count, depth)
  for (let i = 0; i < count; i++) gram[i * stride + i] += lambda
  const alphas = oneHot(labels, classes)
  if (!solvePositiveDefinite(gram, stride, count, alphas, classes)) throw notDefinite(lambda)
  return combineRows(alphas, inputs, count, classes, depth)
}

/** @returns [depth, classes] */
function trainPrimal(
  samples: LabeledRows,
  lambda: number,
  matmul: Matmul<'f64'>,
  cache: StatisticsCache,
): Float64Array {
  const { classes, inputs, labels, buckets, bucketSizes } = samples
  const depth = samples.width + 1
  const gram = new Float64Array(depth * depth)
  const moments = new Float64Array(depth * classes)
  let from = 0
  for (const [b, size] of bucketSizes.entries()) {
    const start = from
    const statistics = cache.get(buckets[b], () => {
      const rows = inputs.subarray(start * depth, (start + size) * depth)
      const columns = transpose(rows, size, depth)
      const { gram: padded, stride } = gramOfRows(matmul, columns, depth, size)
      const dense = new Float64Array(depth * depth)
      for (let k = 0; k < depth; k++) dense.set(padded.subarray(k * stride, k * stride + depth), k * depth)
      const targets = oneHot(labels.subarray(start, start + size), classes)
      return { gram: dense, moments: transpose(combineRows(targets, rows, size, classes, depth), classes, depth) }
    })
    for (let k = 0; k < gram.length; k++) gram[k] += statistics.gram[k]
    for (let k = 0; k < moments.length; k++) moments[k] += statistics.moments[k]
    from += size
  }
  for (let k = 0; k < depth; k++) gram[k * depth + k] += lambda
  if (!solvePositiveDefinite(gram, depth, depth, moments, classes)) throw notDefinite(lambda)
  return moments
}

/**
 * Bound on the rounding error of a score of this head, whatever its labels: float32 weights and a float32 sum of `depth`
 * products against exact arithmetic. Each |w_c| is at most |Y_c| / (2 sqrt(lambda)) <= sqrt(count) / (2 sqrt(lambda)), the
 * largest singular value of X'(XX' + lambda I)^-1; every product and addition errs by 2^-24 relatively. Doubled, for the
 * float64 steps and the second-order terms.
 */
export function ridgeScoreError(samples: LabeledRows, lambda: number, inputs: Float64Array): number {
  const depth = samples.width + 1
  let longest = 0
  for (let from = 0; from < inputs.length; from += depth) {
    let square = 0
    for (let k = from; k < from + depth; k++) square += inputs[k] * inputs[k]
    longest = Math.max(longest, square)
  }
  const weight = Math.sqrt(samples.count) / (2 * Math.sqrt(lambda))
  return 2 * (depth + 2) * 2 ** -24 * weight * Math.sqrt(longest)
}

export function notDefinite(lambda: number): VideoMaeError {
  return new VideoMaeError(
    `Expected a positive definite system, but with lambda ${lambda} it is not positive definite in float64.`,
    {
      code: 'RIDGE_SINGULAR',
      exit: 'data',
      hint: 'Use a larger lambda or scaling "unit".',
    },
  )
}
