/** Oracle: an adversary that tries every capture and every ballot (brute-force.ts). */
import { describe, expect, test } from 'vitest'
import { RandomStream } from '../../core/random.ts'
import { emptyBallots } from './ballot.ts'
import { allRankings, disjointReach, spreadReach, trueTargetCost } from './brute-force.ts'
import { certifyBallots, type RuleOptions } from './certify-ballots.ts'
import { runOffWinner } from './election.ts'
import { plurality, tally } from './plurality.ts'
import { spreadOffsets } from './spread.ts'

/** [learners] with about one in eight abstaining. */
function randomVotes(stream: RandomStream, learners: number, classes: number): number[] {
  return Array.from({ length: learners }, () => (stream.integer(8) === 0 ? classes : stream.integer(classes)))
}

/** [learners, classes] */
function randomBallots(stream: RandomStream, learners: number, classes: number): number[][] {
  return Array.from({ length: learners }, () =>
    stream.integer(8) === 0 ? new Array<number>(classes).fill(classes) : Array.from(stream.permutation(classes)),
  )
}

/** What certificates say for each class, infinite where they say null. */
function statedCosts(ballots: readonly (readonly number[])[], classes: number, options: RuleOptions): number[] {
  const all = emptyBallots(1, ballots.length, classes, ballots[0].length)
  all.ranks.set(ballots.flat())
  const targets = Array.from({ length: classes }, (_, c) => c)
  const [{ targets: stated }] = certifyBallots(all, { ...options, targets })
  return stated!.map(({ poisons }) => poisons ?? Number.POSITIVE_INFINITY)
}

/** Costs that the exhaustive adversary finds next to the stated ones, over all classes of many random elections. */
function compare(
  cases: number,
  seed: number,
  one: (stream: RandomStream) => { readonly stated: readonly number[]; readonly truth: (target: number) => number },
): { readonly stated: number; readonly truth: number }[] {
  return Array.from({ length: cases }, (_, i) => one(new RandomStream(seed, i))).flatMap(({ stated, truth }) =>
    stated.map((cost, target) => ({ stated: cost, truth: truth(target) })),
  )
}

const shareEqual = (costs: readonly { readonly stated: number; readonly truth: number }[]) =>
  costs.filter(({ stated, truth }) => stated === truth).length / costs.length

/** Votes against an adversary that captures whole buckets. */
function againstVotes(
  stream: RandomStream,
  learners: number,
  reach: readonly (readonly number[])[],
  options: RuleOptions,
) {
  const classes = 2 + stream.integer(3)
  const votes = randomVotes(stream, learners, classes)
  const adversary = {
    ...{ cast: votes, choices: classes, reach },
    predict: (cast: readonly number[]) => plurality(tally(cast, classes)),
  }
  const stated = statedCosts(
    votes.map((vote) => [vote]),
    classes,
    options,
  )
  return { stated, truth: (target: number) => trueTargetCost(adversary, target) }
}

/** Rankings against an adversary that captures whole buckets. */
function againstBallots(
  stream: RandomStream,
  learners: number,
  classes: number,
  reach: readonly (readonly number[])[],
  options: RuleOptions,
) {
  const rankings = allRankings(classes)
  const ballots = randomBallots(stream, learners, classes)
  // A silent ballot comes after all rankings; the adversary has no use for one.
  const cast = ballots.map((ballot) => rankings.findIndex((ranking) => ranking.every((c, p) => c === ballot[p])))
  const adversary = {
    ...{ cast: cast.map((at) => (at < 0 ? rankings.length : at)), choices: rankings.length, reach },
    predict: (chosen: readonly number[]) =>
      runOffWinner(
        chosen.flatMap((at) => rankings[at] ?? new Array<number>(classes).fill(classes)),
        classes,
      ),
  }
  return {
    stated: statedCosts(ballots, classes, options),
    truth: (target: number) => trueTargetCost(adversary, target),
  }
}

describe('targeted budgets', () => {
  test('of disjoint partitions are what the exhaustive adversary needs', () => {
    const costs = compare(120, 1, (stream) => {
      const learners = 1 + stream.integer(6)
      return againstVotes(stream, learners, disjointReach(learners), { rule: 'dpa' })
    })
    for (const { stated, truth } of costs) expect(stated).toBe(truth)
  })

  test('count the votes of all classes that are ahead, not only of the strongest', () => {
    const votes = [...new Array<number>(5).fill(0), ...new Array<number>(5).fill(1), 2]
    const costs = statedCosts(
      votes.map((vote) => [vote]),
      3,
      { rule: 'dpa' },
    )
    // Each of classes 0 and 1 leads by 5, ties included: 3 poisoned samples for one of them, but 2 (5 - r) <= r for both.
    expect(costs).toEqual([0, 1, 4])
    const many = [0, 1, 2, 3].flatMap((c) => new Array<number>(8).fill(c))
    // Class 4 without a vote: four classes of 8 have to come down to below r, so 4 (9 - r) <= r.
    expect(
      statedCosts(
        many.map((vote) => [vote]),
        5,
        { rule: 'dpa' },
      )[4],
    ).toBe(8)
  })

  test.each(['fa', 'fa_exact'] as const)('of %s are never above the exhaustive adversary', (rule) => {
    const costs = compare(60, 2, (stream) => {
      const [k, d] = [2 + stream.integer(3), 1 + stream.integer(2)]
      const offsets = spreadOffsets(k, d, stream.integer(100))
      return againstVotes(stream, k * d, spreadReach(k * d, offsets), { rule, offsets })
    })
    for (const { stated, truth } of costs) expect(stated).toBeLessThanOrEqual(truth)
    expect(shareEqual(costs)).toBeGreaterThan(0.9)
  })

  test('of groups are never above the exhaustive adversary', () => {
    const costs = compare(60, 3, (stream) => {
      const [groups, size] = [2 + stream.integer(2), 1 + stream.integer(3)]
      const reach = Array.from({ length: groups }, (_, g) => Array.from({ length: size }, (_, i) => g * size + i))
      return againstVotes(stream, groups * size, reach, { rule: 'groups', groups })
    })
    for (const { stated, truth } of costs) expect(stated).toBeLessThanOrEqual(truth)
    expect(shareEqual(costs)).toBeGreaterThan(0.9)
  })

  test('of periods are the shortest stretch that touches enough neighboring learners', () => {
    for (let i = 0; i < 200; i++) {
      const stream = new RandomStream(4, i)
      const [learners, classes, coverage] = [1 + stream.integer(8), 2 + stream.integer(3), 1 + stream.integer(3)]
      const votes = randomVotes(stream, learners, classes)
      const stated = statedCosts(
        votes.map((vote) => [vote]),
        classes,
        { rule: 'temporal', coverage },
      )
      for (const [target, cost] of stated.entries()) {
        const elected = (width: number) =>
          Array.from({ length: learners - width + 1 }, (_, from) =>
            votes.map((vote, at) => (at >= from && at < from + width ? target : vote)),
          ).some((cast) => plurality(tally(cast, classes)) === target)
        let width = 0
        while (width <= learners && !elected(width)) width++
        const expected = width === 0 ? 0 : Math.max(1, width - coverage + 1)
        expect(cost).toBe(width > learners ? Number.POSITIVE_INFINITY : expected)
      }
    }
  })

  test('of Run-Off Election are never above the exhaustive adversary', () => {
    const costs = compare(40, 5, (stream) => {
      const learners = 1 + stream.integer(5)
      return againstBallots(stream, learners, 3, disjointReach(learners), { rule: 'roe' })
    })
    for (const { stated, truth } of costs) expect(stated).toBeLessThanOrEqual(truth)
    expect(shareEqual(costs)).toBeGreaterThan(0.9)
  })

  test('of Run-Off Election with four classes are never above the exhaustive adversary', () => {
    const costs = compare(8, 6, (stream) => againstBallots(stream, 3, 4, disjointReach(3), { rule: 'roe' }))
    for (const { stated, truth } of costs) expect(stated).toBeLessThanOrEqual(truth)
  })

  test('of Run-Off Election on Finite Aggregation are never above the exhaustive adversary', () => {
    const costs = compare(25, 7, (stream) => {
      const offsets = spreadOffsets(2 + stream.integer(2), 2, stream.integer(100))
      const learners = offsets.length * (2 + stream.integer(2))
      return againstBallots(
        stream,
        learners,
        3,
        spreadReach(
          learners,
          offsets.map((o) => o % learners),
        ),
        {
          rule: 'roe_fa',
          offsets: [...new Set(offsets.map((o) => o % learners))],
        },
      )
    })
    for (const { stated, truth } of costs) expect(stated).toBeLessThanOrEqual(truth)
    expect(shareEqual(costs)).toBeGreaterThan(0.8)
  })

  test('the cheapest of all classes is never below radius + 1', () => {
    for (const [i, rule] of (['dpa', 'roe'] as const).entries()) {
      const stream = new RandomStream(8, i)
      const ballots = randomBallots(stream, 60, 5)
      const all = emptyBallots(1, 60, 5, 5)
      all.ranks.set(ballots.flat())
      const [{ prediction, radius, targets }] = certifyBallots(all, { rule, targets: [0, 1, 2, 3, 4] })
      expect(targets![prediction].poisons).toBe(0)
      const others = targets!.filter((target) => target.class !== prediction).map(({ poisons }) => poisons!)
      expect(Math.min(...others)).toBeGreaterThanOrEqual(radius + 1)
      expect(Math.max(...others)).toBeGreaterThan(radius + 1)
    }
  })

  test('targets are classes, none twice', () => {
    const ballots = emptyBallots(1, 3, 2, 1)
    for (const targets of [[2], [-1], [0.5], [1, 1]])
      expect(() => certifyBallots(ballots, { rule: 'dpa', targets })).toThrow(/class index below 2/)
  })
})
