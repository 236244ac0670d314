/** Run-Off Election on Finite Aggregation: a poisoned sample takes the d learners that a bucket reaches. */
import { checkOffsets, fewestToReach, VoteReach } from './bucket-powers.ts'
import { type Election, elect, finalLeads } from './election.ts'
import { layouts } from './names.ts'
import { distinctRivals, lead } from './plurality.ts'
import type { AggregationRule } from './rule.ts'
import { type Attack, impossible, ofRunOff, type RunOffPrediction, weaker } from './run-off-election.ts'
import { targetedRunOffFinite } from './targeted-run-off.ts'
import { reachOfSpread, runOffWays } from './ways.ts'

/**
 * Run-Off Election on Finite Aggregation: the certificate with summed bucket powers (paper, section 4.2 and appendix).
 *
 * Costs of pairs and of finals take a pass over the buckets each. A cheap lower bound comes first, and what cannot be the
 * cheapest attack is not evaluated; the answer is that of evaluating all.
 *
 * @param ballots [kd, classes] class indices best first, row-major
 * @param offsets [d] the spread
 * @throws VideoMaeError `INVALID_ARGUMENT` for fewer than two classes, or ranks that are not classes
 */
export function certifyRunOffFinite(
  ballots: ArrayLike<number>,
  classes: number,
  offsets: readonly number[],
): RunOffPrediction {
  const election = elect(ballots, classes)
  checkOffsets(offsets, election.learners)
  const reach = new VoteReach(election.votes, classes, offsets)
  return weaker(
    election,
    eliminate(election, reach, offsets.length),
    beatInFinal(ballots, election, reach, offsets.length),
  )
}

/** A rival of the winner in round 1. */
interface Overtaking {
  readonly c: number
  readonly gap: number
  /** Fewest buckets that close the gap. */
  readonly single: number
}

/** The cheapest pair of rivals that overtake the winner in round 1, each alone and both together. */
function eliminate({ counts, prediction: y, learners }: Election, reach: VoteReach, d: number): Attack {
  const mine = reach.powersOf(y)
  const powers = new Int32Array(learners)
  const against = (c: number): Int32Array => {
    powers.set(mine)
    reach.add(powers, c, -1)
    return powers
  }
  const rivals = distinctRivals(counts, y, 2).map((c): Overtaking => {
    const gap = lead(counts, y, c)
    return { c, gap, single: fewestToReach(against(c), gap, 2 * d) }
  })
  if (rivals.length < 2) return impossible
  const costOf = (a: Overtaking, b: Overtaking): number => {
    // A negative gap stays negative here: a learner moved from one rival to the other spends slack of the first.
    powers.set(mine)
    reach.add(powers, y, 1)
    reach.add(powers, a.c, -1)
    reach.add(powers, b.c, -1)
    return Math.max(a.single, b.single, fewestToReach(powers, a.gap + b.gap, 3 * d))
  }
  const bySingle = rivals.toSorted((a, b) => a.single - b.single || a.gap - b.gap || a.c - b.c)
  const [a, b] = bySingle[0].c < bySingle[1].c ? [bySingle[0], bySingle[1]] : [bySingle[1], bySingle[0]]
  let best = possible(costOf(a, b), [a.c, b.c])

  // The power of a bucket against a pair is the sum of its powers against each, less d. So no t buckets have more than the t
  // largest against either: where these do not close both gaps, the pair needs more than t.
  const largest = rivals.map(({ c }) => largestSums(against(c), 2 * d, Math.min(best.cost, learners)))
  for (const [i, first] of rivals.entries()) {
    if (first.single > best.cost) continue
    for (let k = i + 1; k < rivals.length; k++) {
      const second = rivals[k]
      const [c1, c2] = best.rivals
      const before = first.c < c1 || (first.c === c1 && second.c < c2)
      const wanted = Math.min(best.cost - (before ? 0 : 1), learners)
      if (first.single > wanted || second.single > wanted) continue
      if (largest[i][wanted] + largest[k][wanted] - wanted * d < first.gap + second.gap) continue
      const cost = costOf(first, second)
      if (cost <= wanted) best = { cost, rivals: [first.c, second.c] }
    }
  }
  return best
}

/** Where learners are fewer than ties, a pair may be out of reach however many buckets are poisoned. */
function possible(cost: number, rivals: readonly number[]): Attack {
  return Number.isFinite(cost) ? { cost, rivals } : impossible
}

/** [most + 1] sums of the largest powers, 0 of them first. */
function largestSums(powers: Int32Array, maximum: number, most = powers.length): Int32Array {
  const histogram = new Int32Array(maximum + 1)
  for (let j = 0; j < powers.length; j++) histogram[powers[j]]++
  const sums = new Int32Array(most + 1)
  let t = 0
  for (let power = maximum; power >= 0; power--) {
    for (let left = histogram[power]; left > 0 && t < most; left--, t++) sums[t + 1] = sums[t] + power
  }
  return sums
}

/** Marks kept at once by `beatInFinal`: bounds its memory where classes and learners are many. */
const marksAtOnce = 2 ** 22

/** The cheapest class that gets past the other finalist and then beats the winner in the final. */
function beatInFinal(ballots: ArrayLike<number>, election: Election, reach: VoteReach, d: number): Attack {
  const { classes, learners, votes, prediction: y } = election
  const leads = finalLeads(ballots, election)
  const powers = new Int32Array(learners)
  const arrive = arrivals(election, reach, d)
  /** [buckets] what a poisoned sample in each takes off the lead over a class that nobody prefers. */
  const most = new Int32Array(learners)
  for (let i = 0; i < learners; i++) reach.addLearner(most, i, votes[i] === classes ? 1 : 2)
  const enough = largestSums(most, 2 * d)

  let best = impossible
  const candidates = Array.from({ length: classes }, (_, c) => c)
    .filter((c) => c !== y)
    .map((c) => ({ c, least: Math.max(arrive(c), fewestOf(enough, leads[c])) }))
    .sort((a, b) => a.least - b.least || a.c - b.c)
  const size = Math.max(1, Math.floor(marksAtOnce / Math.max(1, learners)))
  const slot = new Int32Array(classes).fill(-1)
  for (let from = 0; from < candidates.length; from += size) {
    const canWin = ({ c, least }: { readonly c: number; readonly least: number }) =>
      least < best.cost || (least === best.cost && c < best.rivals[0])
    const batch = candidates.slice(from, from + size).filter(canWin)
    if (batch.length === 0) continue
    for (const [b, { c }] of batch.entries()) slot[c] = b
    const above = marks(ballots, election, slot, batch.length)
    for (const [b, candidate] of batch.entries()) {
      slot[candidate.c] = -1
      if (!canWin(candidate)) continue
      powers.set(most)
      const mine = above.subarray(b * learners, (b + 1) * learners)
      for (let i = 0; i < learners; i++) if (mine[i] === 1) reach.addLearner(powers, i, -2)
      const cost = Math.max(arrive(candidate.c), fewestToReach(powers, leads[candidate.c], 2 * d))
      if (cost < best.cost || (cost === best.cost && candidate.c < best.rivals[0]))
        best = { cost, rivals: [candidate.c] }
    }
  }
  return best
}

/** Fewest buckets that take each class past the finalist that is not the winner; the same for all classes without votes on one side. */
function arrivals({ counts, finalist: s, learners }: Election, reach: VoteReach, d: number): (c: number) => number {
  const theirs = reach.powersOf(s)
  const powers = new Int32Array(learners)
  const known = new Map<number, number>()
  return (c) => {
    if (c === s) return 0
    const key = counts[c] > 0 ? c : c < s ? -1 : -2
    const before = known.get(key)
    if (before !== undefined) return before
    powers.set(theirs)
    reach.add(powers, c, -1)
    const cost = fewestToReach(powers, lead(counts, s, c), 2 * d)
    known.set(key, cost)
    return cost
  }
}

/** [slots, learners] 1 where a learner ranks the class of the slot above the winner. */
function marks(
  ballots: ArrayLike<number>,
  { classes, votes, prediction }: Election,
  slot: Int32Array,
  slots: number,
): Uint8Array {
  const learners = votes.length
  const above = new Uint8Array(slots * learners)
  for (const [i, vote] of votes.entries()) {
    if (vote === classes) continue
    for (let p = i * classes; ballots[p] !== prediction; p++) {
      const b = slot[ballots[p]]
      if (b >= 0) above[b * learners + i] = 1
    }
  }
  return above
}

/** Fewest of the largest powers that reach `gap`, from their sums. */
function fewestOf(sums: Int32Array, gap: number): number {
  if (gap <= 0) return 0
  let [low, high] = [1, sums.length]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (sums[middle] >= gap) high = middle
    else low = middle + 1
  }
  return low < sums.length ? low : Number.POSITIVE_INFINITY
}

/** Run-Off Election on the ensemble of Finite Aggregation. */
export const runOffFinite = {
  ...{ name: 'roe_fa', title: 'FA+ROE', layout: layouts.roe_fa, counts: 'rankings' },
  ...{ saysExact: false, stroke: 'mixed' },
  certifier:
    ({ classes, offsets }) =>
    (_, ballots) =>
      ofRunOff(certifyRunOffFinite(ballots, classes, offsets)),
  collective: ({ classes, learners, offsets }) => ({
    ways: runOffWays(classes),
    reach: (budget) => reachOfSpread(learners, offsets, budget),
  }),
  targeted:
    ({ classes, offsets }) =>
    (_, ballots, target) =>
      targetedRunOffFinite(ballots, classes, offsets, target),
} as const satisfies AggregationRule
