import { expect, test } from 'vitest'
import { RandomStream } from '../core/random.ts'
import { balancedAccuracy } from './balanced-interval.ts'

/** Videos of two classes in turn, as many in each group; a group shifts all of its videos towards right or wrong. Recalls are 0.84 and 0.5. */
function drawn(groups: number, size: number, random: RandomStream) {
  const shift = Array.from({ length: groups }, () => random.normal())
  const truth = Array.from({ length: size * groups }, (_, i) => i % 2)
  const right = truth.map((c, i) =>
    (shift[Math.floor(i / size)] + random.normal()) / Math.SQRT2 < [0.99446, 0][c] ? 1 : 0,
  )
  const members = shift.map((_, g) => Array.from({ length: size }, (_, i) => size * g + i))
  return { truth, right, classes: 2, groups: members }
}

test.each([3, 5, 9])('the interval of %d groups holds the truth at least as often as it says', (groups) => {
  const random = new RandomStream(groups, 'coverage')
  const runs = 200
  let held = 0
  for (let run = 0; run < runs; run++) {
    const { value, low, high } = balancedAccuracy(drawn(groups, 40, random))
    expect(low).toBeLessThanOrEqual(value)
    expect(value).toBeLessThanOrEqual(high)
    if (low <= 0.67 && 0.67 <= high) held++
  }
  expect(held / runs).toBeGreaterThan(0.93)
})

test('many groups that are alike make it narrow, and one group tells nothing', () => {
  const of = (groups: number) => balancedAccuracy(drawn(groups, 6, new RandomStream(1, 'width')))
  const [many, more] = [of(50), of(800)]
  expect(more.high - more.low).toBeLessThan((many.high - many.low) / 3)
  expect(more.high - more.low).toBeLessThan(0.06)
  const { low, high } = of(1)
  expect(high - low).toBeGreaterThan(0.9)
})

test('a class of one group widens it: what leaving the group out shows counts', () => {
  // Two classes, all of b right in one group, a right in five of nine groups.
  const truth = [...Array.from({ length: 18 }, () => 0), ...Array.from({ length: 18 }, () => 1)]
  const right = truth.map((c, i) => (c === 1 || i % 4 < 2 ? 1 : 0))
  const pairs = Array.from({ length: 9 }, (_, g) => [2 * g, 2 * g + 1])
  const together = Array.from({ length: 18 }, (_, i) => 18 + i)
  const spread = Array.from({ length: 9 }, (_, g) => [18 + 2 * g, 19 + 2 * g])
  const width = (groups: number[][]): number => {
    const { value, low, high } = balancedAccuracy({ truth, right, classes: 2, groups })
    expect(value).toBeCloseTo(14 / 18, 12)
    return high - low
  }
  expect(width([...pairs, together])).toBeGreaterThan(1.3 * width([...pairs, ...spread]))
})
