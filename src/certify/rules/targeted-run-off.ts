/**
 * Targeted budgets of Run-Off Election: the fewest poisoned samples with which a given class may win both rounds. The paper of
 * targeted budgets has no run-off. Derived here; `rules/targeted.test.ts` tries every attack on small elections.
 *
 * The target needs a finalist f to win against. For each f the attack has to
 *
 * 1. bring target and f before every other class in round 1, and
 * 2. turn the final of the two.
 *
 * With r captured learners, x of them vote for the target in round 1 and at most r - x for f. A class e is behind both when it loses
 * as many votes as it then still has too many; such losses add up over classes, and r learners lose at most r votes. The budget is
 * the smallest r that is enough for both, over all f. What is left out (a vote moved from f to the target weakens f) can only make
 * the true cost larger.
 */
import { checkOffsets, fewestToReach, VoteReach } from './bucket-powers.ts'
import { type Election, elect, finalLeads, isFirstOfTwo } from './election.ts'
import { distinctRivals, lead } from './plurality.ts'
import { smallest } from './targeted.ts'

/** What rounds cost. */
interface Costs {
  /** Learners that a poisoned sample captures. */
  readonly captured: number
  /** Fewest poisoned samples that turn the final against `finalist`, who leads by `gap`. */
  final(finalist: number, gap: number): number
  /** Fewest poisoned samples that bring the target before `rival`, who leads by `gap` in round 1. */
  overtake(rival: number, gap: number): number
}

/**
 * Disjoint partitions, where a poisoned sample captures one learner: a lower bound.
 *
 * @param ballots [learners, classes] class indices best first, row-major
 * @throws VideoMaeError `INVALID_ARGUMENT` for a ballot that is no strict order
 */
export function targetedRunOff(ballots: ArrayLike<number>, classes: number, target: number): number {
  const half = (_: number, gap: number) => Math.ceil(Math.max(0, gap) / 2)
  return cheapest(ballots, elect(ballots, classes), target, { captured: 1, final: half, overtake: half })
}

/**
 * Finite Aggregation, where a poisoned sample captures the d learners that a bucket reaches: a lower bound.
 *
 * @param ballots [kd, classes] class indices best first, row-major
 * @param offsets [d] the spread
 * @throws VideoMaeError `INVALID_ARGUMENT` for a ballot that is no strict order, or offsets that do not fit
 */
export function targetedRunOffFinite(
  ballots: ArrayLike<number>,
  classes: number,
  offsets: readonly number[],
  target: number,
): number {
  const election = elect(ballots, classes)
  const { learners, votes } = election
  checkOffsets(offsets, learners)
  const d = offsets.length
  const reach = new VoteReach(votes, classes, offsets)
  const without = new Int32Array(learners).fill(d)
  reach.add(without, target, -1)
  const powers = new Int32Array(learners)
  return cheapest(ballots, election, target, {
    captured: d,
    final(finalist, gap) {
      powers.fill(0)
      for (const [i, vote] of votes.entries()) {
        if (vote === classes) reach.addLearner(powers, i, 1)
        else if (isFirstOfTwo(ballots, i * classes, finalist, target)) reach.addLearner(powers, i, 2)
      }
      return fewestToReach(powers, gap, 2 * d)
    },
    overtake(rival, gap) {
      powers.set(without)
      reach.add(powers, rival, 1)
      return fewestToReach(powers, gap, 2 * d)
    },
  })
}

function cheapest(ballots: ArrayLike<number>, election: Election, target: number, costs: Costs): number {
  const { classes, learners, counts, prediction } = election
  if (prediction === target) return 0
  const leads = finalLeads(ballots, election, target)
  const arrival = arrivals(counts, target, costs)
  const finals = Array.from({ length: classes }, (_, f) => f)
    .filter((f) => f !== target)
    .map((f) => {
      // Exactly one of the two wins a tie, so the lead of one is 1 less the lead of the other.
      const gap = 1 - leads[f]
      return { f, gap, least: Math.max(arrival(f), Math.ceil(Math.max(0, gap) / (2 * costs.captured))) }
    })
    .sort((a, b) => a.least - b.least)
  let best = Number.POSITIVE_INFINITY
  for (const { f, gap, least } of finals) {
    if (least >= best) break
    const turned = Math.max(least, costs.final(f, gap))
    if (turned >= best) continue
    best = Math.min(best, Math.max(turned, Math.ceil(learnersForFinal(counts, target, f, learners) / costs.captured)))
  }
  return best
}

/** Fewest poisoned samples that bring the target before each class but the finalist, one class at a time. */
function arrivals(counts: ArrayLike<number>, target: number, costs: Costs): (finalist: number) => number {
  const needs = distinctRivals(counts, target, 2)
    .map((c) => ({ c, need: costs.overtake(c, lead(counts, c, target)) }))
    .sort((a, b) => b.need - a.need)
  return (finalist) => needs.find(({ c }) => c !== finalist)?.need ?? 0
}

/** Fewest captured learners that bring target and finalist before every other class in round 1. */
function learnersForFinal(counts: ArrayLike<number>, target: number, finalist: number, learners: number): number {
  const ahead: { readonly ofTarget: number; readonly ofFinalist: number }[] = []
  for (let c = 0; c < counts.length; c++) {
    if (c === target || c === finalist) continue
    const [ofTarget, ofFinalist] = [lead(counts, c, target), lead(counts, c, finalist)]
    if (ofTarget > 0 || ofFinalist > 0) ahead.push({ ofTarget, ofFinalist })
  }
  return smallest(learners, (r) => {
    const toTake = (x: number) =>
      ahead.reduce((sum, { ofTarget, ofFinalist }) => sum + Math.max(0, ofTarget - x, ofFinalist - (r - x)), 0)
    // Convex in x, so a step that does not fall starts at a minimum.
    let [low, high] = [0, r]
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (toTake(middle) <= toTake(middle + 1)) high = middle
      else low = middle + 1
    }
    return toTake(low) <= r
  })
}
