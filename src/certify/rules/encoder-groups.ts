/**
 * Two-level ensembles: the training set is split by content into groups, each group trains its own encoder, and the heads
 * on that encoder are trained on disjoint sub-buckets of the group's labels. A poisoned video may change its group's
 * encoder and so owns all votes of the group; a flipped label owns one vote. This is how a certificate against inserted
 * and deleted videos survives without a trusted encoder.
 */
import { invalidArgument } from '../../core/errors.ts'
import { type CertifiedPrediction, lead, plurality, tally } from './plurality.ts'

export interface EncoderGroupsPrediction extends CertifiedPrediction {
  /** `radius` repeats `samples`: poisons of videos (each takes a whole group), no label flips beside them. */
  readonly samples: number
  /** Label flips alone (each takes one vote). */
  readonly labels: number
  /** Whether the prediction survives `samples` poisoned videos and `labels` flipped labels together. */
  survives(samples: number, labels: number): boolean
}

/**
 * @param votes [learners] class indices, `classes` for an abstention
 * @param groups the learners of each encoder group; together each learner exactly once
 */
export function certifyEncoderGroups(
  votes: ArrayLike<number>,
  classes: number,
  groups: readonly (readonly number[])[],
): EncoderGroupsPrediction {
  const counts = tally(votes, classes)
  checkPartition(groups, votes.length)
  const prediction = plurality(counts)

  /** Prefix sums, largest first: what t captured groups, or t captured votes, take off the lead over each rival. */
  const rivals = Array.from({ length: classes }, (_, c) => c).filter((c) => c !== prediction)
  const losses = rivals.map((c) => {
    const worth = (i: number) => 1 + (votes[i] === prediction ? 1 : 0) - (votes[i] === c ? 1 : 0)
    return {
      gap: lead(counts, prediction, c),
      groups: prefixSums(groups.map((group) => group.reduce((sum, i) => sum + worth(i), 0))),
      votes: prefixSums(Array.from({ length: votes.length }, (_, i) => worth(i))),
    }
  })
  const taken = (sums: readonly number[], t: number) => sums[Math.min(t, sums.length - 1)]
  const survives = (samples: number, labels: number) =>
    losses.every((loss) => taken(loss.groups, samples) + taken(loss.votes, labels) < loss.gap)

  const fewest = (sums: readonly number[], gap: number) => {
    const t = sums.findIndex((sum) => sum >= gap)
    return t < 0 ? Number.POSITIVE_INFINITY : t
  }
  const samplesPerRival = losses.map((loss) => fewest(loss.groups, loss.gap) - 1)
  const samples = Math.min(...samplesPerRival)
  return {
    prediction,
    radius: samples,
    rival: rivals[samplesPerRival.indexOf(samples)],
    samples,
    labels: Math.min(...losses.map((loss) => fewest(loss.votes, loss.gap) - 1)),
    survives,
  }
}

function prefixSums(values: readonly number[]): number[] {
  const sums = [0]
  for (const value of values.toSorted((a, b) => b - a)) sums.push(sums[sums.length - 1] + value)
  return sums
}

function checkPartition(groups: readonly (readonly number[])[], learners: number): void {
  const seen = new Set<number>()
  for (const i of groups.flat()) {
    if (!Number.isInteger(i) || i < 0 || i >= learners || seen.has(i))
      throw invalidArgument('groups', `each learner below ${learners} in one group`, i)
    seen.add(i)
  }
  if (seen.size !== learners) throw invalidArgument('groups', `all ${learners} learners`, `${seen.size} of them`)
}
