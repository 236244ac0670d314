import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { resolveConfiguration } from './configuration.ts'
import { factoredPositions, interpolatePositions, positionTable, sinCosPositions } from './positions.ts'

const close = (actual: Float32Array, expected: readonly number[], tolerance = 1e-6) => {
  for (const [i, value] of expected.entries()) expect(Math.abs(actual[i] - value)).toBeLessThan(tolerance)
}

describe('sinCosPositions', () => {
  test('has the values of the original table', () => {
    const width = 768
    const table = sinCosPositions(1568, width)
    close(table, [0, 1, 0, 1])
    close(table.subarray(width), [0.841471, 0.540302, 0.828431, 0.560091])
    close(table.subarray(2 * width - 4), [0.000105, 1, 0.000102, 1])
    close(table.subarray(1567 * width), [0.608948, -0.79321, 0.093232, -0.995644])
    close(sinCosPositions(2, 384).subarray(384), [0.841471, 0.540302, 0.815251, 0.579108])
  })

  test('has the mean and deviation that an exported model shows', () => {
    const table = sinCosPositions(1568, 768)
    let sum = 0
    let squares = 0
    for (const value of table) {
      sum += value
      squares += value * value
    }
    const mean = sum / table.length
    expect(mean).toBeCloseTo(0.204, 3)
    expect(Math.sqrt(squares / table.length - mean * mean)).toBeCloseTo(0.677, 3)
  })
})

describe('interpolatePositions', () => {
  test('gives an equal grid back unchanged', () => {
    const table = sinCosPositions(1568, 16)
    const grid = { t: 8, h: 14, w: 14 }
    expect(interpolatePositions(table, 16, grid, grid)).toEqual(table)
  })

  test('agrees with torch.nn.functional.interpolate (bicubic, then linear; align_corners=False)', () => {
    const table = interpolatePositions(sinCosPositions(24, 4), 4, { t: 2, h: 3, w: 4 }, { t: 3, h: 5, w: 2 })
    expect(table.length).toBe(30 * 4)
    const rows: readonly (readonly [number, readonly number[]])[] = [
      [0, [0.542627, 0.966208, 0.000224, 1.000081]],
      [7, [-0.449454, 0.229221, 0.093154, 0.995591]],
      [13, [0.472827, 0.105413, 0.098237, 0.993294]],
      [16, [0.162736, -0.456283, 0.130799, 0.989533]],
      [29, [-0.528496, -0.97401, 0.227778, 0.973797]],
    ]
    for (const [row, values] of rows) close(table.subarray(row * 4), values, 2e-6)
  })

  test('keeps a constant table constant on any grid', () => {
    const size = fc.integer({ min: 1, max: 6 })
    const grid = fc.record({ t: size, h: size, w: size })
    fc.assert(
      fc.property(grid, grid, (from, to) => {
        const table = new Float32Array(from.t * from.h * from.w * 2).fill(0.75)
        const result = interpolatePositions(table, 2, from, to)
        return result.length === to.t * to.h * to.w * 2 && result.every((x) => Math.abs(x - 0.75) < 1e-6)
      }),
      { seed: 7, numRuns: 50 },
    )
  })

  test('refuses a table of another grid', () => {
    const grid = { t: 1, h: 2, w: 2 }
    expect(() => interpolatePositions(new Float32Array(6), 2, grid, grid)).toThrow(/4 x 2 values/)
  })
})

describe('positionTable', () => {
  const encoder = { width: 8, depth: 1, heads: 1 }
  const options = { encoder, imageSize: 32, frames: 4 }

  test('computes the table of the own grid, or interpolates that of another', () => {
    expect(positionTable(resolveConfiguration(options), 8)).toEqual(sinCosPositions(8, 8))
    const from = { t: 8, h: 14, w: 14 }
    const interpolated = positionTable(resolveConfiguration({ ...options, positionGrid: from }), 8)
    expect(interpolated).toEqual(interpolatePositions(sinCosPositions(1568, 8), 8, from, { t: 2, h: 2, w: 2 }))
  })
})

describe('factoredPositions', () => {
  const grid = { t: 2, h: 3, w: 4 }
  const width = 20 // parts of 6, 6 and 8 channels
  const table = factoredPositions(grid, width)
  const row = (t: number, h: number, w: number) => {
    const n = (t * grid.h + h) * grid.w + w
    return table.subarray(n * width, (n + 1) * width)
  }

  test('has the values of its definition', () => {
    close(
      row(0, 0, 0),
      Array.from({ length: width }, (_, j) => j % 2),
    )
    close(row(1, 0, 0).subarray(0, 4), [
      Math.sin(Math.PI),
      -1,
      Math.sin(Math.PI / 2 ** (1 / 3)),
      Math.cos(Math.PI / 2 ** (1 / 3)),
    ])
    close(row(0, 2, 0).subarray(6, 10), [
      0,
      1,
      Math.sin((2 * Math.PI) / 3 ** (1 / 3)),
      Math.cos((2 * Math.PI) / 3 ** (1 / 3)),
    ])
    close(row(0, 0, 3).subarray(12, 14), [0, -1])
  })

  test('tells each axis in its own channels', () => {
    for (const [t, h, w] of [
      [1, 0, 0],
      [0, 2, 0],
      [0, 0, 3],
      [1, 2, 3],
    ]) {
      expect(row(t, h, w).subarray(0, 6)).toEqual(row(t, 0, 0).subarray(0, 6))
      expect(row(t, h, w).subarray(6, 12)).toEqual(row(0, h, 0).subarray(6, 12))
      expect(row(t, h, w).subarray(12)).toEqual(row(0, 0, w).subarray(12))
    }
  })

  test('gives every position of a grid another row', () => {
    const rows = new Set<string>()
    for (let n = 0; n < 24; n++)
      rows.add(Array.from(table.subarray(n * width, (n + 1) * width), (x) => x.toFixed(4)).join())
    expect(rows.size).toBe(24)
  })

  test('is what a model of factored positions gets', () => {
    const encoder = { width: 20, depth: 1, heads: 1 }
    const c = resolveConfiguration({
      imageSize: [24, 32],
      patch: 8,
      frames: 4,
      tubelet: 2,
      encoder,
      positions: 'factored',
    })
    expect(positionTable(c, width)).toEqual(table)
    expect(positionTable({ ...c, positions: 'flattened' }, width)).toEqual(sinCosPositions(24, width))
  })
})
