/** Oracle: the same chain of operations in plain TypeScript; equality is exact. */
import { expect, test } from 'vitest'
import { RandomStream } from '../../core/random.ts'
import { Matmul, type MatmulPrecision } from './matmul.ts'

function multiply(precision: MatmulPrecision, rows: number, columns: number, depth: number, a: number[], b: number[]) {
  const matmul = new Matmul(precision)
  const [left, right, out] = matmul.reserve(
    matmul.leftLength(rows, depth),
    matmul.rightLength(columns, depth),
    matmul.outputLength(rows, columns),
  )
  matmul.packLeft(left, rows, depth, a)
  matmul.packRight(right, columns, depth, b)
  matmul.run(left, right, out, rows, depth, columns)
  const stride = matmul.outputStride(columns)
  return Array.from({ length: rows * columns }, (_, i) => out[Math.floor(i / columns) * stride + (i % columns)])
}

test.each(['f32', 'f64'] as const)('%s products equal the ordered sum, bit for bit, for any shape', (precision) => {
  const round = precision === 'f32' ? Math.fround : (x: number) => x
  for (const [rows, columns, depth] of [
    [1, 1, 1],
    [4, 8, 3],
    [5, 9, 17],
    [13, 3, 64],
    [3, 21, 100],
  ]) {
    const stream = new RandomStream(rows, columns, depth)
    const a = Array.from({ length: rows * depth }, () => round(stream.normal()))
    const b = Array.from({ length: columns * depth }, () => round(stream.normal()))
    const expected = Array.from({ length: rows * columns }, (_, i) => {
      const [row, column] = [Math.floor(i / columns), i % columns]
      let sum = 0
      for (let k = 0; k < depth; k++) sum = round(sum + round(a[row * depth + k] * b[column * depth + k]))
      return sum
    })
    expect(multiply(precision, rows, columns, depth, a, b)).toEqual(expected)
  }
})

test('an element does not change when other rows and columns come or go', () => {
  const stream = new RandomStream('independence')
  const a = Array.from({ length: 9 * 50 }, () => stream.normal())
  const b = Array.from({ length: 11 * 50 }, () => stream.normal())
  const all = multiply('f32', 9, 11, 50, a, b)
  const one = multiply('f32', 1, 1, 50, a.slice(5 * 50, 6 * 50), b.slice(7 * 50, 8 * 50))
  expect(one[0]).toBe(all[5 * 11 + 7])
})

test('refuses operands beyond the memory of WebAssembly', () => {
  expect(() => new Matmul('f64').reserve(2 ** 30)).toThrow(/3.5 GiB/)
})
