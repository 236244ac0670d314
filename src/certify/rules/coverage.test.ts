/** Oracle: all choices of buckets, for covers and for whole certificates; and what an earlier search proved. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RandomStream } from '../../core/random.ts'
import { combinations, spreadReach } from './brute-force.ts'
import { boundCover, fullPrices, priceScale } from './cover-bound.ts'
import { greedyCover } from './cover-greedy.ts'
import { searchCover } from './cover-search.ts'
import { certifyFiniteAggregationExact } from './coverage.ts'
import { certifyFiniteAggregation } from './finite-aggregation.ts'
import { plurality, tally } from './plurality.ts'
import { spreadOffsets } from './spread.ts'

/** Learners, their worth and offsets (also periodic ones), prices that are any numbers from 0 to worth, and how many buckets. */
const covers = fc
  .record({
    learners: fc.integer({ min: 3, max: 14 }),
    d: fc.integer({ min: 1, max: 6 }),
    seed: fc.nat(),
    t: fc.integer({ min: 1, max: 5 }),
  })
  .map(({ learners, d, seed, t }) => {
    const stream = new RandomStream('cover', seed)
    const offsets = Array.from(stream.permutation(learners).subarray(0, Math.min(d, learners)))
    const worth = Int32Array.from({ length: learners }, () => stream.integer(3))
    const prices = worth.map((value) => stream.integer(value * priceScale + 1))
    return { worth, prices, offsets, t }
  })

/** The most that t buckets are worth. */
function mostOf(worth: Int32Array, offsets: readonly number[], t: number): number {
  const reach = spreadReach(worth.length, offsets)
  let most = 0
  for (const buckets of combinations(worth.length, Math.min(t, worth.length)))
    most = Math.max(most, worthOf(worth, new Set(buckets.flatMap((bucket) => reach[bucket]))))
  return most
}

function worthOf(worth: Int32Array, learners: Iterable<number>): number {
  let sum = 0
  for (const learner of learners) sum += worth[learner]
  return sum
}

const taken = (buckets: readonly number[], learners: number, offsets: readonly number[]) =>
  new Set(buckets.flatMap((bucket) => spreadReach(learners, offsets)[bucket]))

describe('covers', () => {
  test('no t buckets are worth more than the bound, whatever the prices it starts from and the gap it aims at', () => {
    fc.assert(
      fc.property(covers, fc.nat(30), ({ worth, prices, offsets, t }, gap) => {
        const most = mostOf(worth, offsets, t)
        const bound = boundCover({ worth, gap, prices }, offsets, t, { left: 2 ** 20 })
        expect(bound.most).toBeGreaterThanOrEqual(most)
        bound.prices.forEach((price, i) => {
          expect(price).toBeGreaterThanOrEqual(0)
          expect(price).toBeLessThanOrEqual(worth[i] * priceScale)
        })
      }),
      { seed: 5, numRuns: 300 },
    )
  })

  test('the search finds t buckets where there are some and says none where there are none, whatever the prices', () => {
    fc.assert(
      fc.property(covers, ({ worth, prices, offsets, t }) => {
        const most = mostOf(worth, offsets, t)
        for (const start of [prices, fullPrices(worth), new Int32Array(worth.length)]) {
          const found = searchCover({ worth, gap: most + 1, prices: start }, offsets, t, { left: 2 ** 24 })
          expect(found).toBe('none')
          if (most === 0) continue
          const cover = searchCover({ worth, gap: most, prices: start }, offsets, t, { left: 2 ** 24 })
          expect(Array.isArray(cover)).toBe(true)
          expect(cover.length).toBeLessThanOrEqual(t)
          expect(worthOf(worth, taken(cover as number[], worth.length, offsets))).toBe(most)
        }
      }),
      { seed: 5, numRuns: 300 },
    )
  })

  test('the greedy cover is one', () => {
    fc.assert(
      fc.property(covers, ({ worth, offsets }) => {
        const gap = worthOf(worth, worth.keys())
        const powers = Int32Array.from(spreadReach(worth.length, offsets), (reached) => worthOf(worth, reached))
        const cover = greedyCover(worth, powers, gap, offsets, { left: 0 })
        expect(worthOf(worth, taken(cover, worth.length, offsets))).toBe(gap)
      }),
      { seed: 5, numRuns: 100 },
    )
  })
})

/** Largest t for which no t buckets can elect another class: captured learners do best when they all vote for it. */
function trueRadius(votes: readonly number[], classes: number, offsets: readonly number[]): number {
  const reach = spreadReach(votes.length, offsets)
  const before = plurality(tally(votes, classes))
  for (let t = 1; ; t++) {
    for (const buckets of combinations(votes.length, t)) {
      const captured = new Set(buckets.flatMap((bucket) => reach[bucket]))
      for (let c = 0; c < classes; c++)
        if (
          plurality(
            tally(
              votes.map((vote, i) => (captured.has(i) ? c : vote)),
              classes,
            ),
          ) !== before
        )
          return t - 1
    }
  }
}

/** Votes of a given share for class 3, the others at random. */
function ballots(k: number, d: number, classes: number, share: number) {
  const stream = new RandomStream(k, d, 'coverage')
  const votes = Array.from({ length: k * d }, () => (stream.uniform() < share ? 3 : stream.integer(classes)))
  return { votes, offsets: spreadOffsets(k, d) }
}

describe('certifyFiniteAggregationExact', () => {
  test('is exact with many rivals, abstentions, much overlap and any offsets', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 4, max: 14 }),
        fc.integer({ min: 2, max: 6 }),
        fc.integer({ min: 2, max: 8 }),
        fc.nat(),
        (learners, d, classes, seed) => {
          const stream = new RandomStream('whole', seed)
          const [share, abstaining] = [0.2 + 0.6 * stream.uniform(), 0.6 * stream.uniform()]
          const offsets = Array.from(stream.permutation(learners).subarray(0, Math.min(d, learners)))
          const votes = Array.from({ length: learners }, () => {
            if (stream.uniform() < share) return 1
            return stream.uniform() < abstaining ? classes : stream.integer(classes)
          })
          const truth = trueRadius(votes, classes, offsets)
          const { radius, exact, attack, rival, prediction } = certifyFiniteAggregationExact(votes, classes, offsets)
          expect({ radius, exact, buckets: attack.length }).toEqual({ radius: truth, exact: true, buckets: truth + 1 })
          const captured = taken(attack, learners, offsets)
          const after = votes.map((vote, i) => (captured.has(i) ? rival : vote))
          expect(plurality(tally(after, classes))).not.toBe(prediction)
          for (const work of [0, 1, 300, 3000]) {
            const cut = certifyFiniteAggregationExact(votes, classes, offsets, { work })
            expect(cut.radius).toBeLessThanOrEqual(truth)
            expect(cut.radius).toBeGreaterThanOrEqual(certifyFiniteAggregation(votes, classes, offsets).radius)
            if (cut.exact) expect(cut.radius).toBe(truth)
          }
        },
      ),
      { seed: 6, numRuns: 300 },
    )
  })

  test('a learner that abstains can be captured for each of many rivals', () => {
    // Bucket j reaches the learners j and j + 10. Each of the first five reaches a vote of class 1 and an abstention: worth 3.
    const [abstains, offsets] = [6, [0, 10]]
    const votes = [1, 1, 1, 1, 1, 2, 3, 4, 5, ...new Array<number>(11).fill(abstains)]
    expect(trueRadius(votes, 6, offsets)).toBe(1)
    expect(certifyFiniteAggregationExact(votes, 6, offsets)).toMatchObject({ radius: 1, exact: true })
  })

  // An unlimited search of an earlier version proved these (up to 18 s each); the published sum gives one less in each.
  test.each([
    { k: 50, d: 16, classes: 10, share: 0.4, radius: 12 },
    { k: 50, d: 16, classes: 10, share: 0.5, radius: 14 },
    { k: 50, d: 16, classes: 10, share: 0.6, radius: 16 },
    { k: 50, d: 16, classes: 10, share: 0.7, radius: 18 },
    { k: 100, d: 8, classes: 10, share: 0.4, radius: 20 },
    { k: 100, d: 8, classes: 10, share: 0.5, radius: 25 },
  ])('within its work it proves radius $radius of K = $k, d = $d, share $share', ({ k, d, classes, share, radius }) => {
    const { votes, offsets } = ballots(k, d, classes, share)
    expect(certifyFiniteAggregation(votes, classes, offsets).radius).toBe(radius - 1)
    const found = certifyFiniteAggregationExact(votes, classes, offsets)
    expect(found).toMatchObject({ radius, exact: true })
    const captured = taken(found.attack, votes.length, offsets)
    expect(found.attack.length).toBe(radius + 1)
    const after = votes.map((vote, i) => (captured.has(i) ? found.rival : vote))
    expect(plurality(tally(after, classes))).not.toBe(found.prediction)
  })

  test('many classes leave work for the search: most rivals are ruled out together', () => {
    const { votes, offsets } = ballots(250, 16, 400, 0.6)
    expect(certifyFiniteAggregation(votes, 400, offsets).radius).toBe(79)
    expect(certifyFiniteAggregationExact(votes, 400, offsets, { work: 2 ** 23 }).radius).toBe(81)
  })
})
