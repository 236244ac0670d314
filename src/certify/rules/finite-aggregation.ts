/**
 * Finite Aggregation (Wang, Levine & Feizi, ICML 2022): kd buckets, kd learners, every bucket reaches the d learners
 * `(bucket + offset) mod kd`. One poison changes one bucket and so at most d learners, but a learner that already votes
 * against the winner has less to give than the factor 2 of the plain bound; the certificate sums what is really there.
 */
import { invalidArgument } from '../../core/errors.ts'
import { type CertifiedPrediction, lead, plurality, tally, weakest } from './plurality.ts'

/** Throws unless `offsets` are distinct integers in 0..learners-1. */
export function checkOffsets(offsets: readonly number[], learners: number): void {
  const seen = new Set<number>()
  for (const offset of offsets) {
    if (!Number.isInteger(offset) || offset < 0 || offset >= learners || seen.has(offset))
      throw invalidArgument('offsets', `distinct integers from 0 to ${learners - 1}`, offsets.join(','))
    seen.add(offset)
  }
  if (offsets.length === 0) throw invalidArgument('offsets', 'at least one offset', '')
}

/**
 * How many of the learners that each bucket reaches vote for each class.
 *
 * @returns [classes][learners], row-major: `reached[c * learners + j]` for bucket j
 */
export function reachedVotes(votes: ArrayLike<number>, classes: number, offsets: readonly number[]): Int32Array {
  const learners = votes.length
  const reached = new Int32Array(classes * learners)
  for (let i = 0; i < learners; i++) {
    const vote = votes[i]
    if (vote >= classes) continue // abstains: votes for nobody
    const row = vote * learners
    for (const offset of offsets) {
      const bucket = i - offset
      reached[row + (bucket < 0 ? bucket + learners : bucket)]++
    }
  }
  return reached
}

/**
 * Fewest buckets whose summed powers reach `gap`; 0 when there is no gap. Counting sort, largest first.
 *
 * Overlapping buckets are counted twice, which can only make the answer smaller: sound, possibly loose.
 *
 * @param powers [buckets] integers in 0..maximum
 */
export function fewestToReach(powers: ArrayLike<number>, gap: number, maximum: number): number {
  if (gap <= 0) return 0
  const histogram = new Int32Array(maximum + 1)
  for (let j = 0; j < powers.length; j++) histogram[powers[j]]++
  let need = 0
  let left = gap
  for (let power = maximum; power > 0; power--) {
    const available = histogram[power]
    if (available * power >= left) return need + Math.ceil(left / power)
    need += available
    left -= available * power
  }
  return Number.POSITIVE_INFINITY
}

/**
 * The certificate of the paper: for each rival, sort the bucket powers and add the largest until the lead is gone.
 *
 * @param votes [kd] class indices, `classes` for an abstention
 * @param offsets [d] the spread; learner i is trained on buckets (i - offset) mod kd
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
  const reached = reachedVotes(votes, classes, offsets)
  const powers = new Int32Array(learners)
  const mine = prediction * learners
  return weakest(prediction, classes, (c) => {
    const theirs = c * learners
    for (let j = 0; j < learners; j++) powers[j] = offsets.length + reached[mine + j] - reached[theirs + j]
    return fewestToReach(powers, lead(counts, prediction, c), 2 * offsets.length) - 1
  })
}

/** The bound without bucket powers: a poison moves d learners, a lead by 2d. Never larger than the certificate above. */
export function certifyFiniteAggregationNaive(
  votes: ArrayLike<number>,
  classes: number,
  d: number,
): CertifiedPrediction {
  const counts = tally(votes, classes)
  const prediction = plurality(counts)
  return weakest(prediction, classes, (c) => Math.ceil(lead(counts, prediction, c) / (2 * d)) - 1)
}
