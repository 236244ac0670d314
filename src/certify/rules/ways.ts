/**
 * Ways in which one input can be changed, as conditions on the learners that an attacker captures: what the bound on a whole test
 * set (`collective.ts`) is made of. Every successful attack fulfills all conditions of at least one way; the reverse need not hold.
 */
import { elect, finalLeads, isFirstOfTwo } from './election.ts'
import { distinctRivals, lead, plurality, tally, worthOfVote } from './plurality.ts'
import type { Condition, Reach, WaysToChange } from './rule.ts'
import { learnersOfBucket } from './spread.ts'

/** Pairs of rivals of one input that are looked at one by one. With more, the second of each pair is left open. */
const mostPairs = 40

/** A plurality falls when one rival gets past the winner. */
export function pluralityWays(classes: number): WaysToChange {
  return (votes) => {
    const counts = tally(votes, classes)
    const prediction = plurality(counts)
    // Rivals alike would be ways alike.
    return distinctRivals(counts, prediction).map((c) => [
      {
        gap: lead(counts, prediction, c),
        worth: Uint8Array.from(votes, (vote) => worthOfVote(vote, prediction, c)),
      },
    ])
  }
}

/** Run-Off Election falls when the winner loses the final against a class that gets there, or when two classes keep it out of the final. */
export function runOffWays(classes: number): WaysToChange {
  return (_, ballots) => {
    const election = elect(ballots, classes)
    const { counts, votes, prediction: y, finalist: s } = election
    const leads = finalLeads(ballots, election)
    const overtake = (a: number, b: number): Condition => ({
      gap: lead(counts, a, b),
      worth: Uint8Array.from(votes, (vote) => worthOfVote(vote, a, b)),
    })
    const finals = Array.from({ length: classes }, (_, c) => c)
      .filter((c) => c !== y)
      .map((c) => {
        const worth = Uint8Array.from(votes, (vote, i) =>
          vote === classes ? 1 : isFirstOfTwo(ballots, i * classes, y, c) ? 2 : 0,
        )
        const lost: Condition = { gap: leads[c], worth }
        return c === s ? [lost] : [overtake(s, c), lost]
      })
    const rivals = distinctRivals(counts, y, 2).sort((a, b) => lead(counts, y, a) - lead(counts, y, b) || a - b)
    if ((rivals.length * (rivals.length - 1)) / 2 > mostPairs)
      // Of two rivals at least one is not the first in this order.
      return [...finals, ...rivals.slice(1).map((c) => [overtake(y, c)])]
    const pairs = rivals.flatMap((a, i) =>
      rivals.slice(i + 1).map((b) => {
        // A learner votes for one of the two, so it is worth 3 to both together at most.
        const both = Uint8Array.from(votes, (vote) => 1 + (vote === y ? 2 : 0) - (vote === a || vote === b ? 1 : 0))
        return [overtake(y, a), overtake(y, b), { gap: lead(counts, y, a) + lead(counts, y, b), worth: both }]
      }),
    )
    return [...finals, ...pairs]
  }
}

/** Each poisoned sample captures the learners that one bucket reaches. */
export function reachOfSpread(learners: number, offsets: readonly number[], budget: number): Reach {
  return {
    choose: budget,
    captures: Array.from({ length: learners }, (_, j) => learnersOfBucket(j, learners, offsets)),
  }
}

/** One stretch of neighboring periods captures the learners that are trained on any of them. */
export function reachOfPeriods(learners: number, coverage: number, budget: number): Reach {
  if (budget === 0) return { choose: 0, captures: [] }
  const width = Math.min(learners, budget + coverage - 1)
  const captures = Array.from({ length: learners - width + 1 }, (_, from) =>
    Array.from({ length: width }, (_, i) => from + i),
  )
  return { choose: 1, captures }
}
