/** How many directions the features of a set of clips really use. */
import { gramOfRows } from './ridge.ts'
import { eigenvaluesOfSymmetric } from './symmetric-eigenvalues.ts'
import type { Matmul } from './wasm/matmul.ts'

/**
 * RankMe (Garrido et al., ICML 2023, section 3.1): exp of the entropy of the singular values of the centered features, each divided
 * by their sum. 1 where all features are on a line, at most min(count - 1, width).
 *
 * @param features [count, width]
 * @returns 0 where all rows are the same
 */
export function effectiveRank(features: Float32Array, count: number, width: number, matmul: Matmul<'f64'>): number {
  const centered = Float64Array.from(features)
  for (let column = 0; column < width; column++) {
    let sum = 0
    for (let row = 0; row < count; row++) sum += centered[row * width + column]
    for (let row = 0; row < count; row++) centered[row * width + column] -= sum / count
  }
  const { gram: padded, stride } = gramOfRows(matmul, centered, count, width)
  const gram = new Float64Array(count * count)
  for (let row = 0; row < count; row++) gram.set(padded.subarray(row * stride, row * stride + count), row * count)
  const values = eigenvaluesOfSymmetric(gram, count)
  const largest = values.reduce((most, value) => Math.max(most, value), 0)
  // Below this, an eigenvalue is rounding error: its root would count as a direction.
  const singular = values.filter((value) => value > largest * 1e-12).map(Math.sqrt)
  const total = singular.reduce((sum, value) => sum + value, 0)
  if (total === 0) return 0
  return Math.exp(singular.reduce((entropy, value) => entropy - (value / total) * Math.log(value / total), 0))
}
