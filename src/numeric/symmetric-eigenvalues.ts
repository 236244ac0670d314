/** Eigenvalues of small symmetric matrices. */

/** Off-diagonal sum of squares, relative to the whole, below which a matrix counts as diagonal. */
const tolerance = 1e-24
const mostSweeps = 50

/**
 * Eigenvalues by cyclic Jacobi rotations (Golub and Van Loan, Matrix Computations, section 8.5), in no order.
 *
 * @param matrix [n, n], symmetric; overwritten
 */
export function eigenvaluesOfSymmetric(matrix: Float64Array, n: number): number[] {
  for (let sweep = 0; sweep < mostSweeps && offDiagonal(matrix, n) > tolerance * squares(matrix); sweep++)
    for (let p = 0; p < n - 1; p++) for (let q = p + 1; q < n; q++) rotate(matrix, n, p, q)
  return Array.from({ length: n }, (_, i) => matrix[i * n + i])
}

/** Makes element (p, q) zero. */
function rotate(a: Float64Array, n: number, p: number, q: number): void {
  const apq = a[p * n + q]
  if (apq === 0) return
  const theta = (a[q * n + q] - a[p * n + p]) / (2 * apq)
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1))
  const c = 1 / Math.sqrt(t * t + 1)
  const s = t * c
  for (let k = 0; k < n; k++) {
    const [akp, akq] = [a[k * n + p], a[k * n + q]]
    a[k * n + p] = c * akp - s * akq
    a[k * n + q] = s * akp + c * akq
  }
  for (let k = 0; k < n; k++) {
    const [apk, aqk] = [a[p * n + k], a[q * n + k]]
    a[p * n + k] = c * apk - s * aqk
    a[q * n + k] = s * apk + c * aqk
  }
}

function squares(a: Float64Array): number {
  return a.reduce((sum, value) => sum + value * value, 0)
}

function offDiagonal(a: Float64Array, n: number): number {
  let sum = 0
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (i !== j) sum += a[i * n + j] ** 2
  return sum
}
