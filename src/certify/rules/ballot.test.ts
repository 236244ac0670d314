/** Oracle: the same election among few classes, to which classes without votes are added. */
import { describe, expect, test } from 'vitest'
import { RandomStream } from '../../core/random.ts'
import { type Ballots, ballotsFromScores, ballotsOfInput, emptyBallots, votesOfInput, writeBallot } from './ballot.ts'
import { certifyBallots, type RuleOptions } from './certify-ballots.ts'
import { needsRankings, rules } from './list.ts'
import { spreadOffsets } from './spread.ts'

const optionsOf: Readonly<Record<(typeof rules)[number], Omit<RuleOptions, 'rule'>>> = {
  dpa: {},
  roe: {},
  fa: { offsets: spreadOffsets(6, 2) },
  fa_exact: { offsets: spreadOffsets(6, 2) },
  roe_fa: { offsets: spreadOffsets(6, 2) },
  groups: { groups: 4 },
  temporal: { coverage: 2 },
}

/** Eight classes: numbers 2 to 5 have votes, two more stand on each side. */
const few = 8
/** Where these are among `many` classes: on both sides of the numbers that fit into 8 and into 16 bits. */
const many = 70_000
const numbers = [0, 1, 250, 260, 65_530, 65_540, 69_998, 69_999]
/** The others: behind all of these in every ballot, so that none of them is a better rival. */
const rest = Array.from({ length: many }, (_, c) => c).filter((c) => !numbers.includes(c))

describe.each(rules)('rule %s', (rule) => {
  test('means the same classes when there are 70,000 of them', () => {
    const ranked = needsRankings(rule)
    for (let seed = 0; seed < 4; seed++) {
      const stream = new RandomStream(seed, rule)
      const learners = 12
      const small = emptyBallots(1, learners, few, ranked ? few : 1)
      const large = emptyBallots(1, learners, many, ranked ? many : 1)
      for (let i = 0; i < learners; i++) {
        const voted = [2, 3, 4, 5]
        const order = [...(seed % 2 === 0 && i < 8 ? [3, 2, 4, 5] : stream.shuffle(voted)), 0, 1, 6, 7]
        const abstains = i === 11
        const both = (ballots: Ballots, order: readonly number[]) =>
          ballots.ranks
            .subarray(i * ballots.places, (i + 1) * ballots.places)
            .set(abstains ? new Array(ballots.places).fill(ballots.classes) : order.slice(0, ballots.places))
        both(small, order)
        both(large, ranked ? order.map((c) => numbers[c]).concat(rest) : [numbers[order[0]]])
      }
      const options = { rule, ...optionsOf[rule] }
      const [a] = certifyBallots(small, options)
      const [b] = certifyBallots(large, options)
      expect(b.radius).toBe(a.radius)
      expect(b.prediction).toBe(numbers[a.prediction])
      expect(b.rivals).toEqual(a.rivals.map((c) => numbers[c]))
      expect(b.abstentions).toBe(1)
    }
  })
})

test('class numbers above 16 bits are kept, and so is the one that means an abstention', () => {
  const ballots = emptyBallots(2, 3, 65_536, 1)
  ballots.ranks.set([65_535, 65_536, 0, 1, 65_535, 65_535])
  expect([...votesOfInput(ballots, 0)]).toEqual([65_535, 65_536, 0])
  const certified = certifyBallots(ballots, { rule: 'dpa' })
  expect(certified.map(({ prediction, abstentions }) => [prediction, abstentions])).toEqual([
    [0, 1],
    [65_535, 0],
  ])
  for (const classes of [255, 256, 65_535, 65_536]) {
    const edge = emptyBallots(1, 2, classes, 2)
    edge.ranks.set([classes - 1, classes, 0, 0])
    expect([...ballotsOfInput(edge, 0)]).toEqual([classes - 1, classes, 0, 0])
  }
})

test('more than 65,535 learners are counted one by one', () => {
  const learners = 66_000
  const ballots = emptyBallots(1, learners, 3, 1)
  ballots.ranks.fill(1, 0, 65_998)
  for (const rule of ['dpa', 'fa'] as const) {
    const [{ prediction, radius }] = certifyBallots(ballots, { rule, ...(rule === 'fa' ? { offsets: [0] } : {}) })
    expect([prediction, radius]).toEqual([1, (65_998 - 2) / 2 - 1])
  }
})

test('long ballots are ordered as short ones: score, then class; minus infinity last', () => {
  const classes = 100
  const stream = new RandomStream('scores')
  const scores = Array.from({ length: classes }, () => [stream.integer(5), Number.NEGATIVE_INFINITY][stream.integer(2)])
  const { ranks } = ballotsFromScores(scores, 1, 1, classes)
  const expected = Array.from({ length: classes }, (_, c) => c).toSorted((a, b) =>
    scores[a] === scores[b] ? a - b : scores[b] > scores[a] ? 1 : -1,
  )
  expect([...ranks]).toEqual(expected)
  expect(() => ballotsFromScores(scores.with(7, Number.NaN), 1, 1, classes)).toThrow(/numbers/)
})

test('refuses numbers of classes and ballots that no memory holds', () => {
  expect(() => emptyBallots(1, 1, 2 ** 30, 1)).toThrow(/from 2 to 16777216/)
  expect(() => emptyBallots(2 ** 20, 2 ** 20, 2, 2)).toThrow(expect.objectContaining({ code: 'BALLOTS_TOO_LARGE' }))
})

// A voter that dislikes its own classes must not turn to a class that it has never seen because the list of classes is long.
test.each([3, 64, 65, 300])('of %i classes, a voter prefers the best of those that it knows', (classes) => {
  // Classes 1 and 2 are known and have scores below 0, the score of all others.
  const scores = Float64Array.from({ length: classes }, (_, c) => (c === 1 ? -2 : c === 2 ? -1 : 0))
  const knows = Uint8Array.from({ length: classes }, (_, c) => (c === 1 || c === 2 ? 1 : 0))
  const ranks = new Uint16Array(classes)
  writeBallot(scores, 0, classes, ranks, 0, classes, knows)
  expect([...ranks.subarray(0, 2), ranks[classes - 1]]).toEqual([2, 0, 1])
  expect([...ranks].sort((a, b) => a - b)).toEqual([...ranks.keys()])
  writeBallot(scores, 0, classes, ranks, 0, 1, knows)
  expect(ranks[0]).toBe(2)
})

describe('ballots that fit nothing are refused, not counted', () => {
  const ranks = Uint8Array.of(0, 1, 1, 0, 0, 1)
  const fine: Ballots = { inputs: 1, learners: 3, classes: 2, places: 2, ranks }

  test.each([
    ['fewer ranks', { ranks: ranks.subarray(2) }],
    ['more ranks', { learners: 2 }],
    ['half an input', { inputs: 0.5, learners: 6 }],
    ['no number of inputs', { inputs: Number.NaN }],
    ['a place in between', { classes: 3, places: 2 }],
    ['an array of another kind', { ranks: [...ranks] as unknown as Uint8Array }],
    ['a class twice', { ranks: Uint8Array.of(0, 0, 1, 1, 1, 0) }],
    ['a class that is none', { ranks: Uint8Array.of(0, 9, 1, 0, 0, 1) }],
  ])('%s', (_, odd) => {
    for (const rule of ['roe', 'roe_fa'] as const) {
      const certify = (ballots: Ballots) =>
        certifyBallots(ballots, { rule, offsets: rule === 'roe' ? [0] : [0, 1] }).map(({ prediction }) => prediction)
      expect(certify(fine)).toEqual([0])
      expect(() => certify({ ...fine, ...odd })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    }
  })

  test.each([{ rule: 'dpa', groups: 3 } as const, { rule: 'dpa', coverage: 2 } as const])(
    'votes that a poisoned sample changes together do not count one by one: %j',
    (options) => {
      expect(() => certifyBallots({ ...fine, learners: 6, places: 1 }, options)).toThrow(/groups|coverage/)
    },
  )
})
