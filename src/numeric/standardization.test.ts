import { describe, expect, test } from 'vitest'
import { standardization, standardizeRow } from './standardization.ts'

describe('standardized columns', () => {
  const rows = [
    [1, 10, 5],
    [2, 20, 5],
    [3, 60, 5],
  ]
  const statistics = standardization({ count: 3, width: 3, row: (i) => rows[i] })

  test('have the mean and the deviation over all rows', () => {
    expect(statistics.mean[0]).toBeCloseTo(2, 12)
    expect(statistics.mean[1]).toBeCloseTo(30, 12)
    expect(statistics.deviation[0]).toBeCloseTo(Math.sqrt(2 / 3), 12)
    expect(statistics.deviation[1]).toBeCloseTo(Math.sqrt(1400 / 3), 12)
  })

  test('have mean 0 and deviation 1, a constant 0', () => {
    const made = rows.map((row) => standardizeRow(row, statistics, new Float64Array(3)))
    for (const column of [0, 1]) {
      expect(made.reduce((sum, row) => sum + row[column], 0)).toBeCloseTo(0, 12)
      expect(made.reduce((sum, row) => sum + row[column] ** 2, 0)).toBeCloseTo(3, 12)
    }
    for (const row of made) expect(row[2]).toBeCloseTo(0, 12)
  })

  test('are written to the start of the target alone', () => {
    const target = new Float32Array(4).fill(9)
    expect(standardizeRow([2, 30, 5], statistics, target)).toBe(target)
    expect([...target.subarray(0, 2), target[3]]).toEqual([0, 0, 9])
  })
})
