/**
 * Oracle: an adversary that tries every capture and every ballot (brute-force.ts); properties from the literature.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RandomStream } from '../../core/random.ts'
import { allRankings, canChange, combinations, disjointReach, spreadReach, trueRadius } from './brute-force.ts'
import { certifyFiniteAggregationExact } from './coverage.ts'
import { certifyDpa } from './dpa.ts'
import { runOffWinner } from './election.ts'
import { certifyEncoderGroups } from './encoder-groups.ts'
import { certifyFiniteAggregation, certifyFiniteAggregationNaive } from './finite-aggregation.ts'
import { plurality, tally } from './plurality.ts'
import { certifyRunOff, fewestForTwoGaps } from './run-off-election.ts'
import { certifyRunOffFinite } from './run-off-finite.ts'
import { isPeriodic, spreadOffsets } from './spread.ts'
import { certifyTemporal } from './temporal.ts'

const seeded = { seed: 4, numRuns: 200 }
const pluralityOf = (classes: number) => (cast: readonly number[]) => plurality(tally(cast, classes))

/** Votes with about one in eight learners abstaining. */
const electorate = (most: number) =>
  fc.integer({ min: 2, max: 4 }).chain((classes) =>
    fc.record({
      classes: fc.constant(classes),
      votes: fc.array(
        fc.oneof({ weight: 7, arbitrary: fc.nat(classes - 1) }, { weight: 1, arbitrary: fc.constant(classes) }),
        { minLength: 1, maxLength: most },
      ),
    }),
  )

/** [learners, classes] random strict ballots. */
function randomBallots(stream: RandomStream, learners: number, classes: number): number[][] {
  return Array.from({ length: learners }, () => Array.from(stream.permutation(classes)))
}

describe('certifyDpa', () => {
  test('is the exact radius of the exhaustive adversary, abstentions included', () => {
    fc.assert(
      fc.property(electorate(7), ({ classes, votes }) => {
        const adversary = {
          cast: votes,
          choices: classes + 1,
          reach: disjointReach(votes.length),
          predict: pluralityOf(classes),
        }
        const { prediction, radius } = certifyDpa(votes, classes)
        expect(prediction).toBe(adversary.predict(votes))
        // With abstaining learners the bound counts 2 for a learner that has only 1 to give: sound, not always tight.
        if (votes.includes(classes)) expect(radius).toBeLessThanOrEqual(trueRadius(adversary))
        else expect(radius).toBe(trueRadius(adversary))
      }),
      seeded,
    )
  })

  test('does not depend on the order of learners, stays below half, moves by at most one for one vote', () => {
    fc.assert(
      fc.property(electorate(60), fc.nat(), ({ classes, votes }, seed) => {
        const { prediction, radius } = certifyDpa(votes, classes)
        expect(certifyDpa(new RandomStream(seed).shuffle([...votes]), classes)).toEqual(certifyDpa(votes, classes))
        expect(radius).toBeLessThanOrEqual(Math.floor(votes.length / 2))
        const mine = votes.indexOf(prediction)
        if (mine < 0) return
        const without = certifyDpa(votes.with(mine, classes), classes)
        if (without.prediction === prediction) expect(radius - without.radius).toBeGreaterThanOrEqual(0)
        if (without.prediction === prediction) expect(radius - without.radius).toBeLessThanOrEqual(1)
      }),
      seeded,
    )
  })

  test('a unanimous vote reaches floor(k/2) for class 0 and floor((k-1)/2) for any other', () => {
    for (let k = 1; k < 20; k++) {
      expect(certifyDpa(new Array(k).fill(0), 3).radius).toBe(Math.floor(k / 2))
      expect(certifyDpa(new Array(k).fill(2), 3).radius).toBe(Math.floor((k - 1) / 2))
    }
  })

  test('rejects votes outside the classes', () => {
    expect(() => certifyDpa([0, 4], 3)).toThrow(/class index/)
    expect(() => certifyDpa([0], 1)).toThrow(/from 2 to/)
  })
})

const finite = fc
  .record({ k: fc.integer({ min: 2, max: 4 }), d: fc.integer({ min: 1, max: 3 }), seed: fc.nat() })
  .chain(({ k, d, seed }) => {
    const classes = 2 + (seed % 2)
    return fc.record({
      classes: fc.constant(classes),
      offsets: fc.constant(spreadOffsets(k, d, seed)),
      votes: fc.array(fc.nat(classes - 1), { minLength: k * d, maxLength: k * d }),
    })
  })

describe('certifyFiniteAggregation', () => {
  test('is never above the exhaustive adversary, and without double counting it equals it', () => {
    fc.assert(
      fc.property(finite, ({ classes, offsets, votes }) => {
        const reach = spreadReach(votes.length, offsets)
        // For a plurality the best that captured learners can do is to vote together, so it is enough to try that.
        const predict = pluralityOf(classes)
        const before = predict(votes)
        const truth = (() => {
          for (let t = 1; t <= votes.length; t++) {
            for (const buckets of combinations(votes.length, t)) {
              const captured = new Set(buckets.flatMap((bucket) => reach[bucket]))
              for (let c = 0; c < classes; c++)
                if (predict(votes.map((vote, i) => (captured.has(i) ? c : vote))) !== before) return t - 1
            }
          }
          return votes.length
        })()
        const sum = certifyFiniteAggregation(votes, classes, offsets)
        const exact = certifyFiniteAggregationExact(votes, classes, offsets)
        expect(sum.radius).toBeLessThanOrEqual(truth)
        expect(exact.exact).toBe(true)
        expect(exact.radius).toBe(truth)
        const captured = new Set(exact.attack.flatMap((bucket) => reach[bucket]))
        expect(exact.attack.length).toBe(truth + 1)
        expect(predict(votes.map((vote, i) => (captured.has(i) ? exact.rival : vote)))).not.toBe(before)
      }),
      { seed: 4, numRuns: 60 },
    )
  })

  test('the shortcut above loses nothing: full enumeration of casts agrees', () => {
    for (let seed = 0; seed < 12; seed++) {
      const votes = Array.from({ length: 6 }, (_, i) => new RandomStream(seed, i).integer(2))
      const reach = spreadReach(6, [0, 1 + (seed % 5)])
      const adversary = { cast: votes, choices: 2, reach, predict: pluralityOf(2) }
      expect(certifyFiniteAggregationExact(votes, 2, [0, 1 + (seed % 5)]).radius).toBe(trueRadius(adversary))
    }
  })

  test('d = 1 is DPA; the sorted sum is never below the naive bound; a met node limit stays sound', () => {
    fc.assert(
      fc.property(finite, ({ classes, offsets, votes }) => {
        expect(certifyFiniteAggregation(votes, classes, [0])).toEqual(certifyDpa(votes, classes))
        const sum = certifyFiniteAggregation(votes, classes, offsets).radius
        expect(sum).toBeGreaterThanOrEqual(certifyFiniteAggregationNaive(votes, classes, offsets.length).radius)
        const limited = certifyFiniteAggregationExact(votes, classes, offsets, { work: 1 }).radius
        expect(limited).toBeGreaterThanOrEqual(sum)
        expect(limited).toBeLessThanOrEqual(certifyFiniteAggregationExact(votes, classes, offsets).radius)
      }),
      seeded,
    )
  })

  test('where buckets overlap much, adding powers is loose and the exact search is not', () => {
    // k = 4, d = 6, unanimous. These offsets are such that any two buckets share a learner.
    const unanimous = new Array<number>(24).fill(1)
    const offsets = [3, 4, 8, 10, 15, 18]
    const reach = spreadReach(24, offsets)
    for (const [a, b] of combinations(24, 2)) expect(new Set([...reach[a], ...reach[b]]).size).toBeLessThan(12)
    expect(certifyFiniteAggregation(unanimous, 2, offsets).radius).toBe(1)
    expect(certifyFiniteAggregationExact(unanimous, 2, offsets)).toMatchObject({ radius: 2, exact: true })
  })

  test('spreads are distinct and have no period', () => {
    for (const [k, d] of [
      [2, 2],
      [10, 4],
      [50, 16],
      [1000, 16],
    ] as const) {
      const offsets = spreadOffsets(k, d)
      expect(new Set(offsets).size).toBe(d)
      expect(isPeriodic(offsets, k * d)).toBe(false)
    }
    expect(isPeriodic([0, 3, 6], 9)).toBe(true)
  })
})

describe('certifyRunOff', () => {
  test('is never above the exhaustive adversary over all rankings, on partitions and on spreads', () => {
    const rankings = allRankings(3)
    const winner = (cast: readonly number[]) =>
      runOffWinner(
        cast.flatMap((choice) => rankings[choice]),
        3,
      )
    let tight = 0
    for (let seed = 0; seed < 60; seed++) {
      const stream = new RandomStream(seed, 'ballots')
      const spread = seed % 2 === 1
      const learners = spread ? 6 : 3 + (seed % 4)
      const cast = Array.from({ length: learners }, () => stream.integer(6))
      const offsets = spread ? spreadOffsets(3, 2, seed) : [0]
      const ballots = cast.flatMap((choice) => rankings[choice])
      const certified = spread ? certifyRunOffFinite(ballots, 3, offsets) : certifyRunOff(ballots, 3)
      const truth = trueRadius({ cast, choices: 6, reach: spreadReach(learners, offsets), predict: winner }, 2)
      expect(certified.prediction).toBe(winner(cast))
      expect(Math.min(certified.radius, 2)).toBeLessThanOrEqual(truth)
      if (Math.min(certified.radius, 2) === truth) tight++
    }
    expect(tight).toBeGreaterThanOrEqual(57)
  })

  test('stays sound with abstaining learners', () => {
    const casts = [...allRankings(3), [3, 3, 3]]
    const winner = (cast: readonly number[]) =>
      runOffWinner(
        cast.flatMap((choice) => casts[choice]),
        3,
      )
    for (let seed = 0; seed < 30; seed++) {
      const stream = new RandomStream(seed, 'abstain')
      const cast = Array.from({ length: 5 }, () => stream.integer(7))
      const ballots = cast.flatMap((choice) => casts[choice])
      for (const [certified, reach] of [
        [certifyRunOff(ballots, 3), disjointReach(5)],
        [certifyRunOffFinite(ballots, 3, [0, 2]), spreadReach(5, [0, 2])],
      ] as const) {
        if (certified.radius < 1) continue
        for (const bucket of reach)
          expect(canChange({ cast, choices: 7, reach, predict: winner }, bucket, certified.prediction)).toBe(false)
      }
    }
  })

  test('is DPA for two classes, the same on a spread of one, and blind to the order of learners', () => {
    for (let seed = 0; seed < 200; seed++) {
      const stream = new RandomStream(seed, 'properties')
      const classes = 2 + (seed % 4)
      const ballots = randomBallots(stream, 1 + stream.integer(30), classes)
      const certified = certifyRunOff(ballots.flat(), classes)
      const { prediction, radius, round1, round2 } = certifyRunOffFinite(ballots.flat(), classes, [0])
      expect({ prediction, radius, round2 }).toEqual({
        prediction: certified.prediction,
        radius: certified.radius,
        round2: certified.round2,
      })
      expect(Math.min(round1, round2)).toBe(Math.min(certified.round1, certified.round2))
      expect(certifyRunOff(stream.shuffle([...ballots]).flat(), classes)).toEqual(certified)
      expect(certified.radius).toBeLessThanOrEqual(Math.floor(ballots.length / 2))
      if (classes === 2) {
        const dpa = certifyDpa(
          ballots.map((ballot) => ballot[0]),
          2,
        )
        expect([certified.prediction, certified.radius]).toEqual([dpa.prediction, dpa.radius])
      }
    }
  })

  test('the closed form of two gaps equals a search over poisoned samples', () => {
    const search = (a: number, b: number): number => {
      let frontier = new Set([`${a},${b}`])
      for (let t = 0; ; t++) {
        const states = [...frontier].map((state) => state.split(',').map(Number))
        if (states.some(([x, y]) => x <= 0 && y <= 0)) return t
        frontier = new Set(states.flatMap(([x, y]) => [`${x - 2},${y - 1}`, `${x - 1},${y - 2}`]))
      }
    }
    for (let a = 0; a <= 14; a++) for (let b = 0; b <= 14; b++) expect(fewestForTwoGaps(a, b)).toBe(search(a, b))
  })
})

describe('certifyEncoderGroups and certifyTemporal', () => {
  test('a certified budget of videos and labels survives every capture', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2), { minLength: 6, maxLength: 6 }), (votes) => {
        const groups = [
          [0, 1],
          [2, 3],
          [4, 5],
        ]
        const adversary = { cast: votes, choices: 3, reach: groups, predict: pluralityOf(3) }
        const certified = certifyEncoderGroups(votes, 3, groups)
        for (const [samples, labels] of [
          [1, 0],
          [0, 1],
          [1, 1],
          [0, 2],
          [2, 0],
        ]) {
          let broken = false
          for (const videos of combinations(3, samples))
            for (const flips of combinations(6, labels)) {
              const captured = new Set([...videos.flatMap((g) => groups[g]), ...flips])
              broken ||= canChange(adversary, [...captured], certified.prediction)
            }
          if (certified.survives(samples, labels)) expect(broken).toBe(false)
        }
        expect(certified.labels).toBe(certifyDpa(votes, 3).radius)
        expect(certified.radius).toBe(trueRadius(adversary))
      }),
      { seed: 4, numRuns: 80 },
    )
  })

  test('no stretch of periods within the certified earliness or duration changes the vote; one period more can', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 3 }).chain((classes) =>
          fc.tuple(
            fc.constant(classes),
            // `classes` is an abstention
            fc.array(fc.nat(classes), { minLength: 2, maxLength: 7 }),
          ),
        ),
        fc.integer({ min: 1, max: 3 }),
        ([classes, votes], coverage) => {
          const { prediction, earliness, duration, rival } = certifyTemporal(votes, classes, coverage)
          const periods = votes.length + coverage - 1
          /** Learners that read any of these periods: learner i reads i..i + coverage - 1. */
          const readers = (from: number, length: number) =>
            Array.from(votes.keys()).filter((i) => length > 0 && i <= from + length - 1 && i + coverage - 1 >= from)
          const adversary = { cast: votes, choices: classes, reach: [], predict: pluralityOf(classes) }
          const breaks = (from: number, length: number) => canChange(adversary, readers(from, length), prediction)
          const somewhere = (length: number) =>
            Array.from({ length: periods - length + 1 }, (_, from) => breaks(from, length)).some(Boolean)
          expect(breaks(periods - earliness, earliness)).toBe(false)
          expect(breaks(periods - earliness - 1, earliness + 1)).toBe(true)
          expect(somewhere(duration)).toBe(false)
          expect(somewhere(duration + 1)).toBe(true)
          expect(duration).toBeLessThanOrEqual(earliness)
          expect(rival).not.toBe(prediction)
          expect(rival).toBeLessThan(classes)
        },
      ),
      seeded,
    )
  })
})
