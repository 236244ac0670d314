/**
 * Targeted budgets: the fewest poisoned samples with which one given class may come out, and not just any class but the predicted
 * one (Targeted Partition Aggregation, Ghitu & Wicker 2026, arXiv 2602.09757, which treats disjoint partitions).
 *
 * The target has to get past *every* other class. A captured learner moves one vote, so votes that have to be taken from different
 * classes add up: the budget is often larger than the gap to the strongest class alone asks for. Both bounds are used where a
 * poisoned sample captures several learners.
 */
import { fewestToReach, VoteReach } from './bucket-powers.ts'
import { distinctRivals, lead, plurality, tally, worthOfVote } from './plurality.ts'

/**
 * Fewest captured learners that make class `target` the plurality; exact for an attacker who chooses the learners and their votes.
 *
 * r captured learners vote for the target, and the attacker takes them from the classes that are still ahead then. That is enough
 * if and only if the votes that these classes have too many are no more than r.
 *
 * @param counts [classes] votes
 * @param others learners that do not vote for the target, abstaining ones included
 * @returns infinite where even all of them are not enough (an ensemble without learners)
 */
export function fewestLearners(counts: ArrayLike<number>, target: number, others: number): number {
  const ahead: number[] = []
  for (let c = 0; c < counts.length; c++) if (c !== target && lead(counts, c, target) > 0) ahead.push(c)
  const enough = (r: number) => {
    let toTake = 0
    for (const c of ahead) toTake += Math.max(0, lead(counts, c, target) - r)
    return toTake <= r
  }
  return smallest(others, enough)
}

/** The smallest r from 0 to `most` that is enough, by bisection: what is enough stays enough. Infinite where none is. */
export function smallest(most: number, enough: (r: number) => boolean): number {
  if (!enough(most)) return Number.POSITIVE_INFINITY
  let [low, high] = [0, most]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (enough(middle)) high = middle
    else low = middle + 1
  }
  return low
}

/** Disjoint partitions, where a poisoned sample captures one learner: exact. */
export function targetedDpa(votes: ArrayLike<number>, classes: number, target: number): number {
  const counts = tally(votes, classes)
  return fewestLearners(counts, target, votes.length - counts[target])
}

/**
 * Finite Aggregation: a lower bound. Each class ahead of the target asks for buckets by the published sum of their powers, and the
 * learners that have to be captured ask for buckets that reach so many.
 *
 * @param votes [kd] class indices, `classes` for an abstention
 * @param offsets [d] the spread
 */
export function targetedFinite(
  votes: ArrayLike<number>,
  classes: number,
  offsets: readonly number[],
  target: number,
): number {
  const counts = tally(votes, classes)
  const reach = new VoteReach(votes, classes, offsets)
  const d = offsets.length
  const without = new Int32Array(votes.length).fill(d)
  reach.add(without, target, -1)
  const learners = fewestLearners(counts, target, votes.length - counts[target])
  const most = fewestToReach(without, learners, d)
  const powers = new Int32Array(votes.length)
  return distinctRivals(counts, target).reduce((need, c) => {
    powers.set(without)
    reach.add(powers, c, 1)
    return Math.max(need, fewestToReach(powers, lead(counts, c, target), 2 * d))
  }, most)
}

/**
 * Disjoint groups of learners, where a poisoned sample captures a whole group: a lower bound, as for Finite Aggregation.
 *
 * @param groups the learners of each group
 */
export function targetedGroups(
  votes: ArrayLike<number>,
  classes: number,
  groups: readonly (readonly number[])[],
  target: number,
): number {
  const counts = tally(votes, classes)
  const largest = Math.max(...groups.map((group) => group.length))
  const powersOf = (worth: (vote: number) => number) =>
    groups.map((group) => group.reduce((sum, i) => sum + worth(votes[i]), 0))
  const learners = fewestLearners(counts, target, votes.length - counts[target])
  const most = fewestToReach(
    powersOf((vote) => (vote === target ? 0 : 1)),
    learners,
    largest,
  )
  return distinctRivals(counts, target).reduce((need, c) => {
    const powers = powersOf((vote) => worthOfVote(vote, c, target))
    return Math.max(need, fewestToReach(powers, lead(counts, c, target), 2 * largest))
  }, most)
}

/**
 * Periods of time: the length of the shortest poisoned stretch, anywhere in time, after which the target may come out. Exact for
 * the neighboring learners that a stretch may touch.
 *
 * @param votes [learners] oldest first
 * @param coverage periods that each learner is trained on
 */
export function targetedPeriods(votes: ArrayLike<number>, classes: number, coverage: number, target: number): number {
  const counts = tally(votes, classes)
  const width = smallest(votes.length, (size) => someWindowElects(votes, counts, size, target))
  return width === 0 ? 0 : Math.max(0, width - coverage) + 1
}

/** Whether `target` wins once all learners of some window of this width vote for it. */
function someWindowElects(votes: ArrayLike<number>, counts: Int32Array, width: number, target: number): boolean {
  const left = counts.slice()
  const take = (vote: number, amount: number) => {
    if (vote < left.length) left[vote] += amount
  }
  for (let i = 0; i < width; i++) take(votes[i], -1)
  for (let end = width; ; end++) {
    left[target] += width
    const wins = plurality(left) === target
    left[target] -= width
    if (wins) return true
    if (end >= votes.length) return false
    take(votes[end], -1)
    take(votes[end - width], 1)
  }
}
