/** What a thread computes: training and voting of a range of learners. Plain data in shared memory, pure functions. */
import { VideoMaeError } from '../../../core/errors.ts'
import type { LabeledRows } from '../../../numeric/ridge.ts'
import { StatisticsCache } from '../../../numeric/ridge.ts'
import { Matmul } from '../../../numeric/wasm/matmul.ts'
import { type Ballots, writeBallot } from '../../rules/ballot.ts'
import { bucketsOfLearner } from '../../rules/spread.ts'
import { classesOfLearner } from '../layout.ts'
import type { LearnerRecord } from '../learners.ts'
import { weightsLength } from './head.ts'
import { digestOfHead } from './head-digest.ts'
import type { HeadTools } from './head-kind.ts'
import { headKind, type ResolvedHead } from './list.ts'

export interface TrainJob {
  readonly kind: 'train'
  readonly head: ResolvedHead
  readonly classes: number
  readonly classNames: readonly string[]
  /** [learners, classes] 1 where a learner has samples of a class. */
  readonly knows: Uint8Array
  readonly width: number
  /** [rows, width] scaled features. */
  readonly features: Float32Array
  /** [rows] */
  readonly labels: Int32Array
  /** Buckets: see `BucketAssignment`. */
  readonly order: Int32Array
  readonly starts: Int32Array
  readonly learners: number
  readonly offsets: readonly number[]
  /** [learners, classes, width + 1], written. */
  readonly weights: Float32Array
}

export interface VoteJob {
  readonly kind: 'vote'
  readonly classes: number
  readonly width: number
  /** [learners, classes, width + 1] */
  readonly weights: Float32Array
  /** [learners, classes] 1 where a learner has samples of a class; without any it abstains. */
  readonly knows: Uint8Array
  /** [inputs, width] scaled features. */
  readonly features: Float32Array
  readonly ballots: Ballots
}

export type Job = TrainJob | VoteJob

/** The training samples of one learner, in canonical order. */
export function gatherSamples(
  job: Omit<TrainJob, 'kind' | 'head' | 'weights' | 'learners' | 'classNames' | 'knows'>,
  learner: number,
): LabeledRows {
  const { width, classes, order, starts } = job
  const buckets = bucketsOfLearner(learner, starts.length - 1, job.offsets)
  const bucketSizes = buckets.map((bucket) => starts[bucket + 1] - starts[bucket])
  const count = bucketSizes.reduce((sum, size) => sum + size, 0)
  const depth = width + 1
  const inputs = new Float64Array(count * depth)
  const labels = new Int32Array(count)
  let to = 0
  for (const bucket of buckets) {
    for (let at = starts[bucket]; at < starts[bucket + 1]; at++) {
      const row = order[at]
      inputs.set(job.features.subarray(row * width, (row + 1) * width), to * depth)
      inputs[to * depth + width] = 1
      labels[to] = job.labels[row]
      to++
    }
  }
  return { count, width, classes, inputs, labels, buckets, bucketSizes }
}

const cacheBytes = 256 * 2 ** 20

/** Trains learners from..to-1. An empty learner keeps weights 0 and abstains. */
export function trainRange(job: TrainJob, from: number, to: number): LearnerRecord[] {
  const { head, classes } = job
  const { train } = headKind(head.kind)
  const depth = job.width + 1
  const tools: HeadTools = {
    matmul: new Matmul('f64'),
    cache: new StatisticsCache(Math.max(job.offsets.length, Math.floor(cacheBytes / (depth * depth * 8)))),
  }
  const length = weightsLength(classes, job.width)
  const records: LearnerRecord[] = []
  for (let learner = from; learner < to; learner++) {
    const samples = gatherSamples(job, learner)
    const mine = job.weights.subarray(learner * length, (learner + 1) * length)
    if (samples.count === 0) mine.fill(0)
    else mine.set(train(samples, classesOfLearner(job.knows, classes, learner), head, tools))
    const record = { learner, samples: samples.count }
    records.push({ ...record, sha256: digestOfHead(job, record, mine) })
  }
  return records
}

/** Heads in one product: enough to fill the panels, few enough for the scores to stay in the cache. */
const headsAtOnce = 32
const inputsAtOnce = 512

/**
 * Ballots of learners from..to-1 on all inputs.
 *
 * @throws VideoMaeError `OUTPUT_NOT_FINITE` where weights are so large that scores are no numbers
 */
export function voteRange(job: VoteJob, from: number, to: number): void {
  const { classes, width, ballots } = job
  const depth = width + 1
  const { inputs, learners, places, ranks } = ballots
  const matmul = new Matmul('f32')
  const columnsMost = headsAtOnce * classes
  const [left, right, scores] = matmul.reserve(
    matmul.leftLength(inputs, depth),
    matmul.rightLength(columnsMost, depth),
    matmul.outputLength(inputsAtOnce, columnsMost),
  )
  const rows = new Float32Array(inputs * depth).fill(1)
  for (let t = 0; t < inputs; t++) rows.set(job.features.subarray(t * width, (t + 1) * width), t * depth)
  matmul.packLeft(left, inputs, depth, rows)
  const length = weightsLength(classes, width)
  for (let first = from; first < to; first += headsAtOnce) {
    const heads = Math.min(headsAtOnce, to - first)
    const columns = heads * classes
    const knows = Array.from({ length: heads }, (_, h) => {
      const own = job.knows.subarray((first + h) * classes, (first + h + 1) * classes)
      return own.includes(1) ? own : null
    })
    const stride = matmul.outputStride(columns)
    matmul.packRight(right, columns, depth, job.weights.subarray(first * length, (first + heads) * length))
    for (let t = 0; t < inputs; t += inputsAtOnce) {
      const count = Math.min(inputsAtOnce, inputs - t)
      matmul.run(left.subarray(t * depth), right, scores, count, depth, columns)
      for (let i = 0; i < count; i++) {
        for (let h = 0; h < heads; h++) {
          const at = ((t + i) * learners + first + h) * places
          const own = knows[h]
          const mine = i * stride + h * classes
          if (own === null) ranks.fill(classes, at, at + places)
          else {
            requireNumbers(scores, mine, classes, first + h)
            writeBallot(scores, mine, classes, ranks, at, places, own)
          }
        }
      }
    }
  }
}

function requireNumbers(scores: Float32Array, from: number, classes: number, learner: number): void {
  for (let c = 0; c < classes; c++) {
    if (!Number.isNaN(scores[from + c])) continue
    throw new VideoMaeError(
      `Expected numbers as scores, but the score of class ${c} by base classifier ${learner} is NaN: its weights (tensor heads) are too large for float32 arithmetic with these features.`,
      { code: 'OUTPUT_NOT_FINITE', exit: 'data', hint: 'Copy the file again, or train the base classifiers again.' },
    )
  }
}
