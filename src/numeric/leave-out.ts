/** Ridge regression without one group of rows at a time, in closed form. */
import { factorize, oneHot, solveFactorized, solvePositiveDefinite } from './linear-algebra.ts'
import { gramOfRows, type LabeledRows, notDefinite } from './ridge.ts'
import type { Matmul } from './wasm/matmul.ts'

/**
 * What heads that are trained without a row's group score this row, for several strengths. With G = (X X' + lambda I)^-1 and
 * the rows B of a group, the residuals without these rows are (G_BB)^-1 (G Y)_B: the block form of PRESS (Allen 1974). One
 * factorization of [count, count] a strength instead of one for each group.
 *
 * @param samples rows with their bias, as for `trainRidge`
 * @param groups group of each row, [count]
 * @param lambdas strengths; nothing is divided by the number of rows
 * @returns scores [count, classes] for each strength
 * @throws VideoMaeError `RIDGE_SINGULAR`
 */
export function leaveGroupsOut(
  samples: Pick<LabeledRows, 'count' | 'width' | 'classes' | 'inputs' | 'labels'>,
  groups: ArrayLike<number>,
  lambdas: readonly number[],
  matmul: Matmul<'f64'>,
): readonly Float64Array[] {
  const { count, classes, inputs, labels } = samples
  const { gram: shared, stride } = gramOfRows(matmul, inputs, count, samples.width + 1)
  const gram = shared.slice(0, count * stride)
  const targets = oneHot(labels, classes)
  const members = rowsOf(groups, count)
  return lambdas.map((lambda) => {
    const factor = gram.slice()
    for (let i = 0; i < count; i++) factor[i * stride + i] += lambda
    if (!factorize(factor, stride, count)) throw notDefinite(lambda)
    const solved = targets.slice()
    solveFactorized(factor, stride, count, solved, classes)
    const inverse = invertLower(factor, stride, count)
    const scores = targets.slice()
    for (const rows of members) {
      const residuals = residualsOf(inverse, count, rows, solved, classes)
      if (residuals === null) throw notDefinite(lambda)
      for (const [b, i] of rows.entries())
        for (let c = 0; c < classes; c++) scores[i * classes + c] -= residuals[b * classes + c]
    }
    return scores
  })
}

function rowsOf(groups: ArrayLike<number>, count: number): readonly (readonly number[])[] {
  const members = new Map<number, number[]>()
  for (let i = 0; i < count; i++) {
    const known = members.get(groups[i])
    if (known === undefined) members.set(groups[i], [i])
    else known.push(i)
  }
  return [...members.values()]
}

/** (G_BB)^-1 (G Y)_B, [rows, classes], where G = M' M for the inverse M of the Cholesky factor. */
function residualsOf(
  inverse: Float64Array,
  count: number,
  rows: readonly number[],
  solved: Float64Array,
  classes: number,
): Float64Array | null {
  const size = rows.length
  const block = new Float64Array(size * size)
  for (let k = rows[0]; k < count; k++) {
    const row = inverse.subarray(k * count, (k + 1) * count)
    for (let a = 0; a < size; a++) {
      const left = row[rows[a]]
      if (left !== 0) for (let b = 0; b <= a; b++) block[a * size + b] += left * row[rows[b]]
    }
  }
  const residuals = new Float64Array(size * classes)
  for (const [b, i] of rows.entries()) residuals.set(solved.subarray(i * classes, (i + 1) * classes), b * classes)
  return solvePositiveDefinite(block, size, size, residuals, classes) ? residuals : null
}

/**
 * The inverse of a lower triangular matrix.
 *
 * @param factor [count, stride]
 * @returns [count, count], lower triangular
 */
function invertLower(factor: Float64Array, stride: number, count: number): Float64Array {
  const inverse = new Float64Array(count * count)
  for (let i = 0; i < count; i++) {
    const row = inverse.subarray(i * count, (i + 1) * count)
    for (let k = 0; k < i; k++) {
      const by = factor[i * stride + k]
      const other = inverse.subarray(k * count, k * count + k + 1)
      for (let c = 0; c <= k; c++) row[c] -= by * other[c]
    }
    const diagonal = factor[i * stride + i]
    for (let c = 0; c < i; c++) row[c] /= diagonal
    row[i] = 1 / diagonal
  }
  return inverse
}
