/**
 * Deep Partition Aggregation (Levine & Feizi, ICLR 2021): every sample is in exactly one bucket, every bucket trains one
 * learner, the ensemble is their plurality.
 */
import { invalidArgument } from '../../core/errors.ts'
import { layouts } from './names.ts'
import { type CertifiedPrediction, checkClasses, distinctRivals, lead, plurality, tally, weakest } from './plurality.ts'
import { type AggregationRule, ofOneRival } from './rule.ts'
import { targetedDpa } from './targeted.ts'
import { pluralityWays, reachOfSpread } from './ways.ts'

/**
 * Theorem 1 of the paper on vote counts. One poisoned sample changes one learner, which moves a lead by at most 2.
 *
 * The minimum runs over all classes, those without votes included, because a captured learner may vote anything.
 *
 * @param counts [classes] votes per class
 * @throws VideoMaeError `INVALID_ARGUMENT` for fewer than two classes, or counts that are no whole numbers from 0 up
 */
export function certifyTally(counts: ArrayLike<number>): CertifiedPrediction {
  checkClasses(counts.length)
  for (let c = 0; c < counts.length; c++)
    if (!Number.isSafeInteger(counts[c]) || counts[c] < 0)
      throw invalidArgument(`counts[${c}]`, 'a whole number from 0 up', counts[c])
  const prediction = plurality(counts)
  // No shift: counts of 2^31 and more are numbers, too.
  return weakest(
    prediction,
    distinctRivals(counts, prediction),
    (c) => Math.floor((lead(counts, prediction, c) + 1) / 2) - 1,
  )
}

/**
 * Prediction and radius of Deep Partition Aggregation for one input.
 *
 * @param votes [learners] class indices, `classes` for an abstention
 * @throws VideoMaeError `INVALID_ARGUMENT` for a vote outside 0..classes, or fewer than two classes
 */
export function certifyDpa(votes: ArrayLike<number>, classes: number): CertifiedPrediction {
  return certifyTally(tally(votes, classes))
}

/** Plurality of disjoint partitions. */
export const dpa = {
  ...{ name: 'dpa', title: 'DPA', layout: layouts.dpa, counts: 'votes' },
  ...{ saysExact: false, stroke: 'solid' },
  certifier:
    ({ classes }) =>
    (votes) =>
      ofOneRival(certifyDpa(votes, classes)),
  collective: ({ classes, learners, offsets }) => ({
    ways: pluralityWays(classes),
    reach: (budget) => reachOfSpread(learners, offsets, budget),
  }),
  targeted:
    ({ classes }) =>
    (votes, _, target) =>
      targetedDpa(votes, classes, target),
} as const satisfies AggregationRule
