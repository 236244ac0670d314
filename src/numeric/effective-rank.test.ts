import { expect, test } from 'vitest'
import { RandomStream } from '../core/random.ts'
import { effectiveRank } from './effective-rank.ts'
import { eigenvaluesOfSymmetric } from './symmetric-eigenvalues.ts'
import { Matmul } from './wasm/matmul.ts'

const matmul = new Matmul('f64')

test('eigenvalues of a symmetric matrix: their sums of powers are the traces of the powers', () => {
  const n = 9
  const random = new RandomStream(1, 'eigenvalues')
  const a = new Float64Array(n * n)
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = random.uniform() - 0.5
  const squared = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) for (let k = 0; k < n; k++) squared[i * n + j] += a[i * n + k] * a[k * n + j]
  const trace = (m: Float64Array): number =>
    Array.from({ length: n }, (_, i) => m[i * n + i]).reduce((x, y) => x + y, 0)
  const cubed = Array.from({ length: n * n }, (_, i) => squared[i] * a[i]).reduce((x, y) => x + y, 0)
  const values = eigenvaluesOfSymmetric(a.slice(), n)
  const power = (p: number): number => values.reduce((sum, value) => sum + value ** p, 0)
  expect(power(1)).toBeCloseTo(trace(a), 12)
  expect(power(2)).toBeCloseTo(trace(squared), 12)
  expect(power(3)).toBeCloseTo(cubed, 12) // tr(A^3) is the sum over A^2 and A, element by element
})

test('effective rank: orthogonal directions of equal length count one each, shorter ones less, and an offset nothing', () => {
  // Rows +e_i and -e_i: centered, k directions of equal length.
  const rows = (lengths: readonly number[], offset: number): Float32Array => {
    const width = lengths.length
    const values = new Float32Array(2 * width * width).fill(offset)
    for (const [i, length] of lengths.entries()) {
      values[2 * i * width + i] += length
      values[(2 * i + 1) * width + i] -= length
    }
    return values
  }
  const rankOf = (lengths: readonly number[], offset = 0): number =>
    effectiveRank(rows(lengths, offset), 2 * lengths.length, lengths.length, matmul)
  expect(rankOf([1, 1, 1, 1])).toBeCloseTo(4, 9)
  expect(rankOf([1, 1, 1, 1], 5)).toBeCloseTo(4, 4)
  expect(rankOf([1, 0, 0, 0])).toBeCloseTo(1, 9)
  expect(rankOf([0, 0, 0])).toBe(0)
  // Shares 0.75 and 0.25 of the singular values.
  expect(rankOf([3, 1])).toBeCloseTo(Math.exp(-0.75 * Math.log(0.75) - 0.25 * Math.log(0.25)), 9)
})
