import fc from 'fast-check'
import { expect, test } from 'vitest'
import { attentionTiles } from './attention.ts'

test('tiles cover every head and query once, and none is too large', () => {
  const sizes = fc.record({
    heads: fc.integer({ min: 1, max: 9 }),
    queries: fc.integer({ min: 1, max: 9 }),
    keys: fc.integer({ min: 1, max: 9 }),
    largest: fc.integer({ min: 4 * 9, max: 4 * 400 }),
  })
  fc.assert(
    fc.property(sizes, ({ heads, queries, keys, largest }) => {
      const covered = new Map<string, number>()
      for (const tile of attentionTiles(heads, queries, keys, largest)) {
        expect(4 * tile.heads * tile.queries * keys).toBeLessThanOrEqual(largest)
        for (let head = tile.firstHead; head < tile.firstHead + tile.heads; head++) {
          for (let query = tile.firstQuery; query < tile.firstQuery + tile.queries; query++) {
            const key = `${head}:${query}`
            covered.set(key, (covered.get(key) ?? 0) + 1)
          }
        }
      }
      expect(covered.size).toBe(heads * queries)
      expect(new Set(covered.values())).toEqual(new Set([1]))
    }),
  )
})

test('a row of scores that is larger than a tile still is one tile', () => {
  expect(attentionTiles(1, 2, 100, 16)).toEqual([
    { firstHead: 0, heads: 1, firstQuery: 0, queries: 1 },
    { firstHead: 0, heads: 1, firstQuery: 1, queries: 1 },
  ])
})
