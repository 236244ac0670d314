/** What the learners of one run depend on, laid out for training. */
import { invalidArgument } from '../../core/errors.ts'
import { assignBuckets, type BucketAssignment, type BucketKey } from '../data/buckets.ts'
import { checkFeatureSet, type FeatureSet, unitRows } from '../data/feature-set.ts'
import { sha256 } from '../data/hash.ts'
import { checkOffsets } from '../rules/finite-aggregation.ts'
import { type HeadOptions, type ResolvedHead, resolveHead, weightsLength } from './head.ts'
import type { LearnerRecord, TrainJob } from './job.ts'
import type { PoolOptions } from './pool.ts'

export interface TrainOptions extends PoolOptions {
  readonly head: HeadOptions
  readonly by: BucketKey
  /** Learners, and as many buckets: K for disjoint partitions, K times d for Finite Aggregation. */
  readonly learners: number
  /** [d] spread of Finite Aggregation; default [0], disjoint partitions. */
  readonly offsets?: readonly number[]
  /** Encoder groups, see `BucketOptions`. */
  readonly groups?: number
  /** Folder for learners already trained; what is in it and fits this plan is not trained again. */
  readonly directory?: string
  /** Train only the i-th of n shares (i from 0). Needs `directory`; merge with `mergeShards`. */
  readonly shard?: { readonly index: number; readonly count: number }
}

export interface TrainedLearners {
  readonly head: ResolvedHead
  readonly classes: number
  readonly width: number
  readonly learners: number
  readonly offsets: readonly number[]
  readonly assignment: BucketAssignment
  /** [learners, classes, width + 1] float32, bias last. */
  readonly weights: Float32Array
  /** [learners] */
  readonly records: readonly LearnerRecord[]
  /** Learners found in `directory` and not trained again. */
  readonly resumed: number
}

/** The same numbers where threads can see them. */
export function shared(values: Float32Array): Float32Array {
  const copy = new Float32Array(new SharedArrayBuffer(values.byteLength))
  copy.set(values)
  return copy
}

function sharedIntegers(values: Int32Array): Int32Array {
  const copy = new Int32Array(new SharedArrayBuffer(values.byteLength))
  copy.set(values)
  return copy
}

/** Everything the learners depend on, one SHA-256: head, spread, classes and what is in each bucket. */
export function planDigest(
  set: FeatureSet,
  head: ResolvedHead,
  assignment: BucketAssignment,
  offsets: readonly number[],
) {
  const rows = Array.from(
    assignment.order,
    (row) => `${assignment.bucketOf[row]} ${set.digests[row]} ${set.labels[row]}`,
  )
  const bytes = new Uint8Array(set.features.buffer, set.features.byteOffset, set.features.byteLength)
  return sha256(JSON.stringify([head, offsets, set.classNames, set.width, rows]), sha256(bytes))
}

export interface PreparedTraining {
  readonly job: TrainJob
  readonly assignment: BucketAssignment
}

/** Scales, buckets and allocates, without training. */
export function prepareTraining(set: FeatureSet, options: TrainOptions): PreparedTraining {
  checkFeatureSet(set)
  const { learners, offsets = [0] } = options
  if (!Number.isInteger(learners) || learners < 1) throw invalidArgument('learners', 'a positive integer', learners)
  checkOffsets(offsets, learners)
  const head = resolveHead(options.head)
  const assignment = assignBuckets(set, {
    by: options.by,
    buckets: learners,
    ...(options.groups === undefined ? {} : { groups: options.groups }),
  })
  const classes = set.classNames.length
  const job: TrainJob = {
    kind: 'train',
    head,
    classes,
    width: set.width,
    features: shared(head.scaling === 'unit' ? unitRows(set.features, set.rows, set.width) : set.features),
    labels: sharedIntegers(set.labels),
    order: sharedIntegers(assignment.order),
    starts: sharedIntegers(assignment.starts),
    learners,
    offsets,
    weights: new Float32Array(new SharedArrayBuffer(4 * learners * weightsLength(classes, set.width))),
  }
  return { job, assignment }
}
