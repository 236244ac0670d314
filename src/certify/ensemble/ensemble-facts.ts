/** What the learners of an ensemble have to learn from, and what of that makes an ensemble look stronger than it is. */

import { bucketsOfLearner } from '../rules/spread.ts'
import type { SampleSet } from './feature-set.ts'
import type { TrainedEnsemble } from './learners.ts'

export interface EnsembleFacts {
  readonly emptyLearners: number
  /** Learners whose samples are all of one class, for which they vote always. */
  readonly singleClassLearners: number
  /** Training rows of a learner. */
  readonly samples: { readonly fewest: number; readonly median: number; readonly most: number }
}

export function ensembleFacts(
  set: SampleSet,
  { assignment, offsets, learners }: Pick<TrainedEnsemble<never>, 'assignment' | 'offsets' | 'learners'>,
): EnsembleFacts {
  const { buckets, starts, order } = assignment
  const labelsOf = Array.from(
    { length: buckets },
    (_, bucket) => new Set(Array.from(order.subarray(starts[bucket], starts[bucket + 1]), (row) => set.labels[row])),
  )
  let singleClassLearners = 0
  const sizes = Array.from({ length: learners }, (_, learner) => {
    const mine = bucketsOfLearner(learner, buckets, offsets)
    if (new Set(mine.flatMap((bucket) => [...labelsOf[bucket]])).size === 1) singleClassLearners++
    return mine.reduce((sum, bucket) => sum + starts[bucket + 1] - starts[bucket], 0)
  }).sort((a, b) => a - b)
  return {
    emptyLearners: sizes.filter((size) => size === 0).length,
    singleClassLearners,
    samples: { fewest: sizes[0], median: sizes[Math.floor((learners - 1) / 2)], most: sizes[learners - 1] },
  }
}

/** `5 of 50 learners`. */
const some = (count: number, all: number): string => `${count} of ${all} ${all === 1 ? 'learner' : 'learners'}`

/** Sentences for whoever reads the radii. */
export function ensembleWarnings({ emptyLearners, singleClassLearners }: EnsembleFacts, learners: number): string[] {
  return [
    ...(emptyLearners > 0
      ? [`${some(emptyLearners, learners)} have no training sample and vote for nobody: take fewer partitions`]
      : []),
    ...(singleClassLearners > 0
      ? [
          `${some(singleClassLearners, learners)} have samples of one class only and always vote for it: take fewer partitions`,
        ]
      : []),
  ]
}

/** A warning before anything is trained, or null. @param units what one poison is, in the training set */
export function tooManyPartitions(partitions: number, units: number): string | null {
  if (partitions <= units) return null
  return `K = ${partitions} partitions of ${units} units (what one poison is): at least ${partitions - units} partitions have no training sample`
}
