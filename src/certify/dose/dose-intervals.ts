/**
 * 90 % intervals of what is measured on random subsets: the mean accuracy of a learner, and the size at which it reaches an accuracy.
 *
 * The subsets of a size are few, often ten. Percentiles of resampled subsets are then too narrow: they hold the true value 81 to
 * 88 times in 100 (`scripts/experiments/dose-coverage.ts`). These take the t distribution, for the mean itself and for every point of the
 * curves that are drawn. They say how much the choice of subsets matters, not that of test inputs.
 */
import type { RandomStream } from '../../core/random.ts'
import { tQuantile } from '../../numeric/distributions.ts'

const [lower, upper] = [0.05, 0.95]
const draws = 500

export function mean(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]
  return sum / values.length
}

/** Of a mean: the deviation of the values divided by the root of their number. */
function standardError(values: readonly number[]): number {
  const middle = mean(values)
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0)
  return Math.sqrt(squares / (values.length - 1) / values.length)
}

/** 5 % and 95 % of a mean of shares. @param values two or more */
export function meanInterval(values: readonly number[]): readonly [number, number] {
  const half = tQuantile(upper, values.length - 1) * standardError(values)
  return [Math.max(0, mean(values) - half), Math.min(1, mean(values) + half)]
}

/** Smallest size at which the curve reaches `accuracy`, interpolated in the logarithm of the size; null when it never does. */
export function sizeForAccuracy(
  sizes: readonly number[],
  accuracies: readonly number[],
  accuracy: number,
): number | null {
  const at = accuracies.findIndex((value) => value >= accuracy)
  if (at < 0) return null
  if (at === 0) return sizes[0]
  const share = (accuracy - accuracies[at - 1]) / (accuracies[at] - accuracies[at - 1])
  return Math.exp(Math.log(sizes[at - 1]) + share * Math.log(sizes[at] / sizes[at - 1]))
}

/**
 * 5 % and 95 % of `sizeForAccuracy`. The upper end is null where more than one curve in twenty does not reach the accuracy within the
 * sizes that were tried; the whole interval is, where none does.
 *
 * @param perSubset [sizes][subsets] accuracies
 */
export function sizeInterval(
  sizes: readonly number[],
  perSubset: readonly (readonly number[])[],
  accuracy: number,
  stream: RandomStream,
): readonly [number, number | null] | null {
  const points = perSubset.map((values) => ({ middle: mean(values), error: standardError(values), n: values.length }))
  const found = Array.from({ length: draws }, () => {
    const curve = points.map(({ middle, error, n }) => middle + error * tDraw(n - 1, stream))
    return sizeForAccuracy(sizes, curve, accuracy) ?? Number.POSITIVE_INFINITY
  }).sort((a, b) => a - b)
  const [low, high] = [lower, upper].map((share) => found[Math.floor(share * draws)])
  return Number.isFinite(low) ? [low, Number.isFinite(high) ? high : null] : null
}

/** A value of the t distribution. */
function tDraw(freedom: number, stream: RandomStream): number {
  let squares = 0
  for (let i = 0; i < freedom; i++) squares += stream.normal() ** 2
  return stream.normal() / Math.sqrt(squares / freedom)
}
