/** Trains heads on frozen features, in threads that share memory. */
import { availableMemory } from '../../../core/available-memory.ts'
import { invalidArgument, VideoMaeError } from '../../../core/errors.ts'
import { bucketsOfLearner } from '../../rules/spread.ts'
import { checkFeatureSet, type FeatureSet, type TestSet, unitRows } from '../feature-set.ts'
import { sha256 } from '../hash.ts'
import type { EnsembleLayout } from '../layout.ts'
import type { EnsemblePlan, LearnerState, PoolOptions, TrainedLearner } from '../learners.ts'
import type { EnsembleTrainer, LearnerTraining } from '../trainer.ts'
import { type TrainedHeads, weightsLength } from './head.ts'
import { digestOfHead } from './head-digest.ts'
import type { TrainJob } from './job.ts'
import type { ResolvedHead } from './list.ts'
import { trainInThreads } from './pool.ts'
import { shared } from './shared.ts'
import { voteOnTests } from './vote.ts'
import { certifyRidgeLabelFlips } from './white-box.ts'

/** See `LearnerTrainer.version`: of all heads. */
export const headVersion = 3

/** What a head is called among the weights of a learner. */
const weightsName = 'head'

type HeadTrainer = EnsembleTrainer<FeatureSet, TestSet>

/** @throws VideoMaeError `INVALID_ARGUMENT`, `FEATURES_NOT_FINITE`, `OUT_OF_MEMORY` */
export function checkHeadPlan(head: ResolvedHead, set: FeatureSet, { seeds = 1, learners }: EnsemblePlan): void {
  if (seeds !== 1) {
    const hint = 'Several seeds (DPA*) need base classifiers that draw random numbers: attentive, full or scratch.'
    throw invalidArgument('seeds', `1, because ${head.kind} heads draw no random numbers`, seeds, hint)
  }
  checkFeatureSet(set)
  requireRoom(learners, set.classNames.length, set)
}

/** Small ranges keep threads busy to the end and lose little at a kill; neighbors share bucket statistics. */
export function headsAtOnce(learners: number, { threads }: PoolOptions): number {
  // Without threads a range blocks whoever wants to stop, so it is short.
  return Math.max(1, Math.min(threads === 1 ? 8 : 64, Math.ceil(learners / 32)))
}

/** Names the features of a row. */
export function contentOfRow({ features, width }: FeatureSet, row: number): string {
  // A copy, because hashing may not read shared memory.
  return sha256(new Uint8Array(features.slice(row * width, (row + 1) * width).buffer))
}

/** Scales and allocates; trains what it is asked to. */
export function openHeads(head: ResolvedHead, layout: EnsembleLayout<FeatureSet>): ReturnType<HeadTrainer['open']> {
  const job = trainJob(head, layout)
  const { classes, width, learners, weights, knows } = job
  const heads: TrainedHeads = { head, classes, width, learners, weights, knows }
  const length = weightsLength(classes, width)
  const weightsOf = (learner: number) => weights.subarray(learner * length, (learner + 1) * length)
  const trained = (record: TrainedLearner['record']): TrainedLearner => ({
    record,
    states: [new Map([[weightsName, weightsOf(record.learner)]])],
  })
  const training: LearnerTraining<TestSet> = {
    digest: (learner, states) => {
      const stored = storedWeights(states, length)
      return stored === null ? '' : digestOfHead(job, { learner, samples: samplesOf(job, learner) }, stored)
    },
    restore({ record: { learner }, states }) {
      const stored = storedWeights(states, length)
      if (stored !== null) weightsOf(learner).set(stored)
    },
    train: (ranges, _store, options, onTrained) =>
      trainInThreads(job, ranges, options, (range, records) => void onTrained(range, records.map(trained))),
    vote: (test, range, _learners, options) => voteOnTests(heads, test, range, options),
    extras: () => ({
      heads,
      ...(head.kind === 'ridge' && layout.offsets.length === 1
        ? {
            certifyLabelFlips: (test, options) =>
              certifyRidgeLabelFlips(layout.set, { ...heads, ...layout }, test, options),
          }
        : {}),
    }),
  }
  return training
}

/** Null where they are those of no head of this layout. */
function storedWeights(states: readonly LearnerState[], length: number): Float32Array | null {
  const weights = states.length === 1 ? states[0].get(weightsName) : undefined
  return weights?.length === length ? weights : null
}

/** @throws VideoMaeError `OUT_OF_MEMORY` with the numbers */
function requireRoom(learners: number, classes: number, { rows, width }: FeatureSet): void {
  const heads = learners * (4 * weightsLength(classes, width) + classes)
  const features = 4 * rows * width
  const available = availableMemory()
  if (heads + features <= available) return
  const gigabytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`
  throw new VideoMaeError(
    `Expected ${gigabytes(heads + features)} for ${learners} heads of ${classes} classes on ${width} features, but only ${gigabytes(available)} of memory are available.`,
    { code: 'OUT_OF_MEMORY', exit: 'environment', hint: 'Use fewer partitions or a smaller spread.' },
  )
}

/** What threads train from, in memory that they share. */
export function trainJob(
  head: ResolvedHead,
  { set, learners, offsets, assignment, knows }: EnsembleLayout<FeatureSet>,
): TrainJob {
  const { classNames, width } = set
  const classes = classNames.length
  return {
    kind: 'train',
    ...{ head, classes, classNames, knows, width, learners, offsets },
    features: shared(Float32Array, head.scaling === 'unit' ? unitRows(set.features, set.rows, width) : set.features),
    labels: shared(Int32Array, set.labels),
    order: shared(Int32Array, assignment.order),
    starts: shared(Int32Array, assignment.starts),
    weights: new Float32Array(new SharedArrayBuffer(4 * learners * weightsLength(classes, width))),
  }
}

function samplesOf({ offsets, starts }: TrainJob, learner: number): number {
  return bucketsOfLearner(learner, starts.length - 1, offsets).reduce(
    (sum, bucket) => sum + starts[bucket + 1] - starts[bucket],
    0,
  )
}
