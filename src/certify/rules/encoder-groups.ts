/**
 * Two-level ensembles: the training set is split by content into groups, each group trains its own encoder, and the heads
 * on that encoder are trained on disjoint sub-buckets of the group's labels. A poisoned video may change its group's
 * encoder and so owns all votes of the group; a label that is changed to another class owns one vote. (One
 * that is removed takes its video out of the group: it counts as a video.) This is how a certificate against inserted
 * and deleted videos survives without a trusted encoder.
 */
import { invalidArgument } from '../../core/errors.ts'
import { layouts } from './names.ts'
import { type CertifiedPrediction, distinctRivals, lead, plurality, tally, weakest, worthOfVote } from './plurality.ts'
import { type AggregationRule, type EnsembleShape, ofOneRival } from './rule.ts'
import { targetedGroups } from './targeted.ts'
import { pluralityWays } from './ways.ts'

export interface EncoderGroupsPrediction extends CertifiedPrediction {
  /** Label flips alone (each takes one vote); `radius` is that of videos alone (each takes a whole group). */
  readonly labels: number
  /** Whether the prediction survives `samples` poisoned videos and `labels` flipped labels together. */
  survives(samples: number, labels: number): boolean
}

/**
 * Prediction and radius for one input where encoders are trained on parts of the protected set, too.
 *
 * @param votes [learners] class indices, `classes` for an abstention
 * @param groups the learners of each encoder group; together each learner exactly once
 * @throws VideoMaeError `INVALID_ARGUMENT` for a vote that is no class, or other groups
 */
export function certifyEncoderGroups(
  votes: ArrayLike<number>,
  classes: number,
  groups: readonly (readonly number[])[],
): EncoderGroupsPrediction {
  const counts = tally(votes, classes)
  checkPartition(groups, votes.length)
  const prediction = plurality(counts)
  const rivals = distinctRivals(counts, prediction)

  /** Of each rival, prefix sums, largest first: what t captured groups, or t captured votes, take off the lead over it. */
  const losses = new Map(
    rivals.map((c) => {
      const worth = Array.from(votes, (vote) => worthOfVote(vote, prediction, c))
      const ofGroups = groups.map((group) => group.reduce((sum, i) => sum + worth[i], 0))
      return [c, { gap: lead(counts, prediction, c), groups: prefixSums(ofGroups), votes: prefixSums(worth) }]
    }),
  )
  const taken = (sums: readonly number[], t: number) => sums[Math.min(t, sums.length - 1)]
  const survives = (samples: number, labels: number) =>
    [...losses.values()].every((loss) => taken(loss.groups, samples) + taken(loss.votes, labels) < loss.gap)
  /** Captured groups, or votes, that one rival cannot win with. */
  const radiusAgainst = (what: 'groups' | 'votes') => (c: number) => {
    const { gap, [what]: sums } = losses.get(c)!
    const fewest = sums.findIndex((sum) => sum >= gap)
    return fewest < 0 ? Number.POSITIVE_INFINITY : fewest - 1
  }
  return {
    ...weakest(prediction, rivals, radiusAgainst('groups')),
    labels: weakest(prediction, rivals, radiusAgainst('votes')).radius,
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
      throw invalidArgument('groups', `each base classifier below ${learners} in one group`, i)
    seen.add(i)
  }
  if (seen.size !== learners)
    throw invalidArgument('groups', `all ${learners} base classifiers`, `${seen.size} of them`)
}

/** The learners of each group: split evenly, in order. */
function membersOf({ learners, groups }: EnsembleShape): number[][] {
  const size = learners / groups
  return Array.from({ length: groups }, (_, g) => Array.from({ length: size }, (_, i) => g * size + i))
}

/** Plurality of heads on per-group encoders; the radius counts videos. */
export const encoderGroups = {
  ...{ name: 'groups', title: 'groups', layout: layouts.groups, counts: 'votes' },
  ...{ saysExact: false, stroke: 'solid' },
  certifier(shape) {
    const { classes } = shape
    const members = membersOf(shape)
    return (votes) => {
      const certified = certifyEncoderGroups(votes, classes, members)
      return { ...ofOneRival(certified), labelRadius: certified.labels }
    }
  },
  collective: (shape) => ({
    ways: pluralityWays(shape.classes),
    reach: (budget) => ({ choose: budget, captures: membersOf(shape) }),
  }),
  targeted(shape) {
    const members = membersOf(shape)
    return (votes, _, target) => targetedGroups(votes, shape.classes, members, target)
  },
} as const satisfies AggregationRule
