/** What the learners of an ensemble have to learn from, and what of that makes an ensemble look stronger than it is. */

import { learnersOn } from '../rules/spread.ts'
import type { SampleSet } from './feature-set.ts'
import type { TrainedEnsemble } from './learners.ts'

export interface EnsembleFacts {
  readonly emptyLearners: number
  /** Learners whose samples are all of one class, for which they vote always. */
  readonly singleClassLearners: number
  /** Training rows of a learner. */
  readonly samples: { readonly fewest: number; readonly median: number; readonly most: number }
}

/** In place of the only class of a learner. */
const noClass = -1
const severalClasses = -2

export function ensembleFacts(
  set: SampleSet,
  { assignment, offsets, learners }: Pick<TrainedEnsemble<never>, 'assignment' | 'offsets' | 'learners'>,
): EnsembleFacts {
  const { buckets, starts, order } = assignment
  const sizes = new Float64Array(learners)
  const classOf = new Int32Array(learners).fill(noClass)
  for (let bucket = 0; bucket < buckets; bucket++) {
    const rows = order.subarray(starts[bucket], starts[bucket + 1])
    if (rows.length === 0) continue
    const only = rows.every((row) => set.labels[row] === set.labels[rows[0]]) ? set.labels[rows[0]] : severalClasses
    for (const learner of learnersOn(bucket, buckets, learners, offsets)) {
      sizes[learner] += rows.length
      const before = classOf[learner]
      classOf[learner] = before === noClass || before === only ? only : severalClasses
    }
  }
  return {
    emptyLearners: sizes.reduce((count, size) => count + (size === 0 ? 1 : 0), 0),
    singleClassLearners: classOf.reduce((count, only) => count + (only >= 0 ? 1 : 0), 0),
    samples: samplesOver(sizes),
  }
}

/** `5 of 50 base classifiers`. */
const some = (count: number, all: number): string =>
  `${count} of ${all} ${all === 1 ? 'base classifier' : 'base classifiers'}`

/** Of millions of learners nearly all are empty: only the others are sorted. @param sizes [learners] */
export function samplesOver(sizes: Float64Array): EnsembleFacts['samples'] {
  const filled = sizes.filter((size) => size > 0).sort()
  const empty = sizes.length - filled.length
  const at = (place: number): number => (place < empty ? 0 : filled[place - empty])
  return { fewest: at(0), median: at(Math.floor((sizes.length - 1) / 2)), most: at(sizes.length - 1) }
}

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

/** A warning before anything is trained, or null. @param units what one poisoned sample is, in the training set */
export function tooManyPartitions(partitions: number, units: number): string | null {
  if (partitions <= units) return null
  return `K = ${partitions} partitions of ${units} units (what one poisoned sample is): at least ${partitions - units} partitions have no training sample`
}
