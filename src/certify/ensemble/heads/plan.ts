/** What the learners of one run depend on, laid out for training. */
import { createHash } from 'node:crypto'
import { availableMemory } from '../../../core/available-memory.ts'
import { VideoMaeError } from '../../../core/errors.ts'
import { bucketsOfLearner } from '../../rules/spread.ts'
import { assignBuckets, type BucketAssignment } from '../buckets.ts'
import { checkFeatureSet, type FeatureSet, unitRows } from '../feature-set.ts'
import { checkEnsemblePlan, type EnsemblePlan, type LearnerRecord, spreadOfPlan } from '../learners.ts'
import { type HeadOptions, type ResolvedHead, resolveHead, type TrainedHeads, weightsLength } from './head.ts'
import type { TrainJob } from './job.ts'

/**
 * Version of how heads are trained. Raise it with every change after which the same head, features and labels give other bytes
 * (the order of samples, the scaling of rows, a solver): heads of an earlier program that lie in a folder are then refused, and
 * not mixed with new ones.
 */
const trainingVersion = 2

export interface TrainOptions extends Omit<EnsemblePlan, 'seeds'> {
  readonly head: HeadOptions
}

export interface TrainedLearners extends TrainedHeads {
  readonly offsets: readonly number[]
  readonly assignment: BucketAssignment
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

/** Everything the learners depend on, one SHA-256: the program, head, spread, classes and what is in each bucket. */
export function planDigest(
  set: FeatureSet,
  head: ResolvedHead,
  assignment: BucketAssignment,
  offsets: readonly number[],
): string {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([trainingVersion, head, offsets, set.classNames, set.width, assignment.buckets]))
  for (const row of assignment.order) {
    hash.update(`\n${assignment.bucketOf[row]} ${set.digests[row]} ${set.labels[row]} `)
    // A copy, because hashing may not read shared memory.
    hash.update(new Uint8Array(set.features.slice(row * set.width, (row + 1) * set.width).buffer))
  }
  return hash.digest('hex')
}

export interface PreparedTraining {
  readonly job: TrainJob
  readonly assignment: BucketAssignment
}

/** Scales, buckets and allocates, without training. */
export function prepareTraining(set: FeatureSet, options: TrainOptions): PreparedTraining {
  checkFeatureSet(set)
  checkEnsemblePlan(options)
  const { learners, by, groups, periods } = options
  const { buckets, offsets } = spreadOfPlan(options)
  const head = resolveHead(options.head)
  const assignment = assignBuckets(set, { by, buckets, groups, periods })
  return { job: layOut(set, head, learners, offsets, assignment.order, assignment.starts), assignment }
}

/**
 * Learners on given rows, one list each; lists may overlap. For learning curves, not for certificates.
 *
 * @param buckets row numbers of each learner
 */
export function trainOnBuckets(
  set: FeatureSet,
  head: HeadOptions,
  buckets: readonly (readonly number[])[],
): PreparedTraining {
  checkFeatureSet(set)
  const order = Int32Array.from(buckets.flat())
  const starts = new Int32Array(buckets.length + 1)
  for (const [i, rows] of buckets.entries()) starts[i + 1] = starts[i] + rows.length
  const bucketOf = new Int32Array(set.rows).fill(-1) // rows may be in several lists or in none
  const kind = { by: 'id', buckets: buckets.length, groups: undefined, periods: undefined } as const
  const assignment: BucketAssignment = { ...kind, bucketOf, order, starts }
  return { job: layOut(set, resolveHead(head), buckets.length, [0], order, starts), assignment }
}

/** @throws VideoMaeError `OUT_OF_MEMORY` with the numbers */
function requireRoom(learners: number, classes: number, { rows, width }: FeatureSet): void {
  const heads = learners * (4 * weightsLength(classes, width) + classes)
  const features = 4 * rows * width
  const available = availableMemory()
  if (heads + features <= available) return
  const gigabytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`
  throw new VideoMaeError(
    `Expected ${gigabytes(heads + features)} for ${learners} heads of ${classes} classes on ${width} features, but ${gigabytes(available)} of memory are available.`,
    { code: 'OUT_OF_MEMORY', exit: 'environment', hint: 'Use fewer partitions or a smaller spread.' },
  )
}

function layOut(
  set: FeatureSet,
  head: ResolvedHead,
  learners: number,
  offsets: readonly number[],
  order: Int32Array,
  starts: Int32Array,
): TrainJob {
  const { classNames } = set
  const classes = classNames.length
  requireRoom(learners, classes, set)
  const knows = new Uint8Array(learners * classes)
  for (let learner = 0; learner < learners; learner++) {
    for (const bucket of bucketsOfLearner(learner, starts.length - 1, offsets))
      for (let at = starts[bucket]; at < starts[bucket + 1]; at++) knows[learner * classes + set.labels[order[at]]] = 1
  }
  return {
    kind: 'train',
    head,
    classes,
    classNames,
    knows,
    width: set.width,
    features: shared(head.scaling === 'unit' ? unitRows(set.features, set.rows, set.width) : set.features),
    labels: sharedIntegers(set.labels),
    order: sharedIntegers(order),
    starts: sharedIntegers(starts),
    learners,
    offsets,
    weights: new Float32Array(new SharedArrayBuffer(4 * learners * weightsLength(classes, set.width))),
  }
}
