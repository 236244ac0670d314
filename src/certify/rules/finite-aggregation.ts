/**
 * Finite Aggregation (Wang, Levine & Feizi, ICML 2022): kd buckets, kd learners, every bucket reaches the d learners
 * `(bucket + offset) mod kd`. One poisoned sample changes one bucket and so at most d learners, but a learner that already votes
 * against the winner has less to give than the factor 2 of the plain bound; the certificate sums what is really there.
 */
import { checkOffsets, fewestToReach, VoteReach } from './bucket-powers.ts'
import { layouts } from './names.ts'
import { type CertifiedPrediction, distinctRivals, lead, plurality, tally, weakest } from './plurality.ts'
import { type AggregationRule, ofOneRival } from './rule.ts'
import { targetedFinite } from './targeted.ts'
import { pluralityWays, reachOfSpread } from './ways.ts'

/**
 * The certificate of the paper: for each rival, sort the bucket powers and add the largest until the lead is gone.
 *
 * @param votes [kd] class indices, `classes` for an abstention
 * @param offsets [d] the spread; learner i is trained on buckets (i - offset) mod kd
 * @throws VideoMaeError `INVALID_ARGUMENT` for a vote outside 0..classes, or fewer than two classes
 */
export function certifyFiniteAggregation(
  votes: ArrayLike<number>,
  classes: number,
  offsets: readonly number[],
): CertifiedPrediction {
  const learners = votes.length
  checkOffsets(offsets, learners)
  const counts = tally(votes, classes)
  const prediction = plurality(counts)
  const reach = new VoteReach(votes, classes, offsets)
  const mine = reach.powersOf(prediction)
  const powers = new Int32Array(learners)
  return weakest(prediction, distinctRivals(counts, prediction), (c) => {
    powers.set(mine)
    reach.add(powers, c, -1)
    return fewestToReach(powers, lead(counts, prediction, c), 2 * offsets.length) - 1
  })
}

/** The bound without bucket powers: a poisoned sample moves d learners, a lead by 2d. Never larger than the certificate above. */
export function certifyFiniteAggregationNaive(
  votes: ArrayLike<number>,
  classes: number,
  d: number,
): CertifiedPrediction {
  const counts = tally(votes, classes)
  const prediction = plurality(counts)
  return weakest(
    prediction,
    distinctRivals(counts, prediction),
    (c) => Math.ceil(lead(counts, prediction, c) / (2 * d)) - 1,
  )
}

/** Finite Aggregation; the powers of buckets are added up. */
export const finiteAggregation = {
  ...{ name: 'fa', title: 'FA', layout: layouts.fa, counts: 'votes' },
  ...{ saysExact: false, stroke: 'dotted' },
  certifier:
    ({ classes, offsets }) =>
    (votes) =>
      ofOneRival(certifyFiniteAggregation(votes, classes, offsets)),
  collective: ({ classes, learners, offsets }) => ({
    ways: pluralityWays(classes),
    reach: (budget) => reachOfSpread(learners, offsets, budget),
  }),
  targeted:
    ({ classes, offsets }) =>
    (votes, _, target) =>
      targetedFinite(votes, classes, offsets, target),
} as const satisfies AggregationRule
