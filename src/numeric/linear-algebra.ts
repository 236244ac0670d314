/** Float64 pieces of the closed-form heads. Loops in a fixed order: same input, same bytes. */

/**
 * Solves A X = B in place for a symmetric positive definite A by Cholesky.
 *
 * @param a [n, stride] row-major; the lower triangle is overwritten by its factor
 * @param b [n, columns] row-major; overwritten by X
 * @returns false when A is not positive definite in float64
 */
export function solvePositiveDefinite(
  a: Float64Array,
  stride: number,
  n: number,
  b: Float64Array,
  columns: number,
): boolean {
  if (!factorize(a, stride, n)) return false
  solveFactorized(a, stride, n, b, columns)
  return true
}

/**
 * The Cholesky factor of a symmetric positive definite A, in place.
 *
 * @param a [n, stride] row-major; the lower triangle is overwritten
 * @returns false when A is not positive definite in float64
 */
export function factorize(a: Float64Array, stride: number, n: number): boolean {
  for (let i = 0; i < n; i++) {
    const rowI = i * stride
    for (let j = 0; j <= i; j++) {
      const rowJ = j * stride
      let even = 0
      let odd = 0
      let k = 0
      for (; k + 1 < j; k += 2) {
        even += a[rowI + k] * a[rowJ + k]
        odd += a[rowI + k + 1] * a[rowJ + k + 1]
      }
      if (k < j) even += a[rowI + k] * a[rowJ + k]
      const rest = a[rowI + j] - (even + odd)
      if (j < i) a[rowI + j] = rest / a[rowJ + j]
      else if (!(rest > 0)) return false
      else a[rowI + i] = Math.sqrt(rest)
    }
  }
  return true
}

/**
 * Solves A X = B in place.
 *
 * @param a [n, stride] what `factorize` left
 * @param b [n, columns] row-major; overwritten by X
 */
export function solveFactorized(a: Float64Array, stride: number, n: number, b: Float64Array, columns: number): void {
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) subtract(b, i, k, a[i * stride + k], columns)
    divide(b, i, a[i * stride + i], columns)
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) subtract(b, i, k, a[k * stride + i], columns)
    divide(b, i, a[i * stride + i], columns)
  }
}

function subtract(b: Float64Array, row: number, other: number, factor: number, columns: number): void {
  for (let c = 0; c < columns; c++) b[row * columns + c] -= factor * b[other * columns + c]
}

function divide(b: Float64Array, row: number, by: number, columns: number): void {
  for (let c = 0; c < columns; c++) b[row * columns + c] /= by
}

/** [count, classes] one-hot rows. */
export function oneHot(labels: ArrayLike<number>, classes: number): Float64Array {
  const targets = new Float64Array(labels.length * classes)
  for (let i = 0; i < labels.length; i++) targets[i * classes + labels[i]] = 1
  return targets
}

/**
 * weights[c, k] = sum_i coefficients[i, c] inputs[i, k], in row order.
 *
 * @param coefficients [count, classes]
 * @param inputs [count, depth]
 * @returns [classes, depth]
 */
export function combineRows(
  coefficients: Float64Array,
  inputs: Float64Array,
  count: number,
  classes: number,
  depth: number,
): Float64Array {
  const weights = new Float64Array(classes * depth)
  for (let i = 0; i < count; i++) {
    const row = i * depth
    for (let c = 0; c < classes; c++) {
      const factor = coefficients[i * classes + c]
      if (factor === 0) continue
      const to = c * depth
      for (let k = 0; k < depth; k++) weights[to + k] += factor * inputs[row + k]
    }
  }
  return weights
}

/** [columns, rows] from [rows, columns], both row-major. */
export function transpose(source: ArrayLike<number>, rows: number, columns: number): Float64Array {
  const result = new Float64Array(rows * columns)
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) result[c * rows + r] = source[r * columns + c]
  return result
}
