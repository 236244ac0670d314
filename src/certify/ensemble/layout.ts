/** Which samples each learner of an ensemble is trained on. All that a learner ever hears of is in its row of this. */
import { bucketsOfLearner, learnersOn } from '../rules/spread.ts'
import { assignBuckets, type BucketAssignment } from './buckets.ts'
import type { SampleSet } from './feature-set.ts'
import { checkEnsemblePlan, type EnsemblePlan, spreadOfPlan } from './learners.ts'

export interface EnsembleLayout<Set extends SampleSet> {
  readonly set: Set
  readonly learners: number
  /** Trainings of each learner, from different seeds. */
  readonly seeds: number
  readonly offsets: readonly number[]
  readonly assignment: BucketAssignment
  /** [learners, classes] 1 where a learner has samples of a class. */
  readonly knows: Uint8Array
}

/** @throws VideoMaeError `INVALID_ARGUMENT` */
export function layOut<Set extends SampleSet>(set: Set, plan: EnsemblePlan): EnsembleLayout<Set> {
  checkEnsemblePlan(plan)
  const { learners, by, groups, periods, seeds = 1 } = plan
  const { buckets, offsets } = spreadOfPlan(plan)
  const assignment = assignBuckets(set, { by, buckets, groups, periods })
  return withKnown({ set, learners, seeds, offsets, assignment })
}

/**
 * One learner on each list of rows; lists may overlap. For learning curves, not for certificates.
 *
 * @param lists row numbers of each learner
 */
export function layOutLists<Set extends SampleSet>(
  set: Set,
  lists: readonly (readonly number[])[],
): EnsembleLayout<Set> {
  const learners = lists.length
  const starts = new Int32Array(learners + 1)
  for (const [i, rows] of lists.entries()) starts[i + 1] = starts[i] + rows.length
  const bucketOf = new Int32Array(set.rows).fill(-1) // rows may be in several lists or in none
  const kind = { by: 'id', buckets: learners, groups: undefined, periods: undefined } as const
  const assignment: BucketAssignment = { ...kind, bucketOf, order: Int32Array.from(lists.flat()), starts }
  return withKnown({ set, learners, seeds: 1, offsets: [0], assignment })
}

function withKnown<Set extends SampleSet>(layout: Omit<EnsembleLayout<Set>, 'knows'>): EnsembleLayout<Set> {
  const { set, learners, offsets, assignment } = layout
  const { buckets, order, starts } = assignment
  const classes = set.classNames.length
  const knows = new Uint8Array(learners * classes)
  for (let bucket = 0; bucket < buckets; bucket++) {
    const labels = new Set(Array.from(order.subarray(starts[bucket], starts[bucket + 1]), (row) => set.labels[row]))
    if (labels.size === 0) continue
    for (const learner of learnersOn(bucket, buckets, learners, offsets))
      for (const label of labels) knows[learner * classes + label] = 1
  }
  return { ...layout, knows }
}

/** Rows of a learner, bucket by bucket, in canonical order. */
export function rowsOfLearner(
  { assignment, offsets }: Pick<EnsembleLayout<SampleSet>, 'assignment' | 'offsets'>,
  learner: number,
): number[] {
  const { buckets, order, starts } = assignment
  return bucketsOfLearner(learner, buckets, offsets).flatMap((bucket) => [
    ...order.subarray(starts[bucket], starts[bucket + 1]),
  ])
}

/** The classes that a learner has samples of, ascending: a longer list of classes changes no learner. */
export function classesOfLearner(knows: Uint8Array, classes: number, learner: number): number[] {
  return Array.from({ length: classes }, (_, c) => c).filter((c) => knows[learner * classes + c] === 1)
}
