/**
 * Run-Off Election (Rezaei, Banihashem, Chegini & Feizi, ICML 2023). Round 1: plurality of first choices, the top two
 * go on. Round 2: every learner votes for the one of the two it ranks higher. Only comparisons are used, so a captured
 * learner has one vote per round.
 *
 * Here the elections and the certificate of disjoint partitions (a poisoned sample takes one learner); that of Finite Aggregation
 * (a poisoned sample takes the d learners a bucket reaches) is in run-off-finite.ts. An abstaining ballot (its first entry is `classes`)
 * helps nobody in either round.
 */
import { type Election, elect, finalLeads } from './election.ts'
import { layouts } from './names.ts'
import { type CertifiedPrediction, distinctRivals, lead } from './plurality.ts'
import type { AggregationRule, InputCertificate } from './rule.ts'
import { targetedRunOff } from './targeted-run-off.ts'
import { reachOfSpread, runOffWays } from './ways.ts'

export interface RunOffPrediction extends CertifiedPrediction {
  /** Round 1 counts. */
  readonly firstRound: Int32Array
  /** The other class of the final. */
  readonly finalist: number
  /** Fewest poisoned samples that may eliminate the winner in round 1; infinite with two classes. */
  readonly round1: number
  /** Fewest poisoned samples that may make the winner lose the final. */
  readonly round2: number
  /** Where the cheapest attack strikes, and the classes it has to lift (two in round 1, one in round 2). */
  readonly bindingRound: 1 | 2
  readonly rivals: readonly number[]
}

/**
 * Fewest poisoned samples that close two gaps at once, each poisoned sample taking 2 off one gap and 1 off the other.
 *
 * Closed form of the table in the paper's program: each gap alone, and both together at 3 for each poisoned sample.
 */
export function fewestForTwoGaps(first: number, second: number): number {
  const a = Math.max(0, first)
  const b = Math.max(0, second)
  return Math.max(Math.ceil(a / 2), Math.ceil(b / 2), Math.ceil((a + b) / 3))
}

/** The cheapest attack on one of the two rounds. */
export interface Attack {
  readonly cost: number
  /** Classes that it has to lift; the first in order among the cheapest. */
  readonly rivals: readonly number[]
}

export const impossible: Attack = { cost: Number.POSITIVE_INFINITY, rivals: [] }

export function weaker(
  { counts, prediction, finalist }: Election,
  eliminated: Attack,
  beaten: Attack,
): RunOffPrediction {
  const bindingRound = beaten.cost <= eliminated.cost ? 2 : 1
  const { rivals } = bindingRound === 2 ? beaten : eliminated
  return {
    prediction,
    radius: Math.min(eliminated.cost, beaten.cost) - 1,
    rival: rivals[0],
    firstRound: counts,
    finalist,
    round1: eliminated.cost,
    round2: beaten.cost,
    bindingRound,
    rivals,
  }
}

/**
 * Run-Off Election on disjoint partitions (also for DPA*, whose learners are sums over seeds).
 *
 * @param ballots [learners, classes] class indices best first, row-major
 * @throws VideoMaeError `INVALID_ARGUMENT` for fewer than two classes, or ranks that are not classes
 */
export function certifyRunOff(ballots: ArrayLike<number>, classes: number): RunOffPrediction {
  const election = elect(ballots, classes)
  const { counts, prediction: y, finalist: s } = election
  const leads = finalLeads(ballots, election)
  const half = (gap: number) => Math.ceil(Math.max(0, gap) / 2)
  let beaten = impossible
  for (let c = 0; c < classes; c++) {
    if (c === y) continue
    // To win the final against y, a class has to get there: past the other finalist.
    const cost = Math.max(c === s ? 0 : half(lead(counts, s, c)), half(leads[c]))
    if (cost < beaten.cost) beaten = { cost, rivals: [c] }
  }
  return weaker(election, cheapestPair(counts, y), beaten)
}

/** Both rivals must overtake `y` in round 1. The cost grows with either gap, so the two smallest gaps are cheapest. */
function cheapestPair(counts: ArrayLike<number>, y: number): Attack {
  const rivals = distinctRivals(counts, y, 2)
  if (rivals.length < 2) return impossible
  const gaps = rivals.map((c) => lead(counts, y, c))
  const [smallest, second] = gaps.toSorted((a, b) => a - b)
  const cost = fewestForTwoGaps(smallest, second)
  // The first pair of that cost: its first class has a partner behind it, the one with the smallest gap there.
  const least = [...gaps]
  for (let r = least.length - 2; r >= 0; r--) least[r] = Math.min(least[r], least[r + 1])
  const r = gaps.findIndex((gap, at) => at + 1 < gaps.length && fewestForTwoGaps(gap, least[at + 1]) <= cost)
  const partner = gaps.findIndex((gap, at) => at > r && fewestForTwoGaps(gaps[r], gap) <= cost)
  return { cost, rivals: [rivals[r], rivals[partner]] }
}

/** The certificate of an election: its rivals, and the round in which the cheapest attack strikes. */
export function ofRunOff({
  prediction,
  radius,
  rivals,
  bindingRound,
}: RunOffPrediction): Omit<InputCertificate, 'abstentions'> {
  return { prediction, radius, rivals, round: bindingRound }
}

/** Run-Off Election on disjoint partitions. */
export const runOffElection = {
  ...{ name: 'roe', title: 'DPA+ROE', layout: layouts.roe, counts: 'rankings' },
  ...{ saysExact: false, stroke: 'dashed' },
  certifier:
    ({ classes }) =>
    (_, ballots) =>
      ofRunOff(certifyRunOff(ballots, classes)),
  collective: ({ classes, learners, offsets }) => ({
    ways: runOffWays(classes),
    reach: (budget) => reachOfSpread(learners, offsets, budget),
  }),
  targeted:
    ({ classes }) =>
    (_, ballots, target) =>
      targetedRunOff(ballots, classes, target),
} as const satisfies AggregationRule
