/** Label-flip certificates that look inside ridge heads, for whole test sets. */
import { invalidArgument } from '../../../core/errors.ts'
import { certifyUnitFlips, type FlipFacts } from '../../rules/label-flip.ts'
import type { InputCertificate } from '../../rules/rule.ts'
import type { BucketAssignment } from '../buckets.ts'
import { type FeatureSet, type SampleSet, type TestSet, unitRows } from '../feature-set.ts'
import type { PoolOptions, TrainedEnsemble } from '../learners.ts'
import { rowsOfUnits } from '../poison.ts'
import { splitRange, threadCount } from '../queue.ts'
import type { FlipJob } from './flips.ts'
import type { TrainedHeads } from './head.ts'
import { runWriting } from './pool.ts'
import { shared } from './shared.ts'
import { voteLearners } from './vote.ts'
import { workOf } from './work.ts'

export interface WhiteBoxOptions extends PoolOptions {
  /** Called before it begins, with the memory and the time that it will take. */
  readonly onNote?: (note: string) => void
  /** Called with the costs of the next inputs, [inputs, learners, classes + 1]: what `certifyUnitFlips` takes. */
  readonly onCosts?: (costs: Float32Array) => Promise<void>
}

/** What the certificates of a set count besides votes and costs. */
export function flipFacts(set: SampleSet, { by, order }: Pick<BucketAssignment, 'by' | 'order'>): FlipFacts {
  const largestUnit = rowsOfUnits(set, by).reduce((most, rows) => Math.max(most, rows.length), 1)
  return { samples: order.length, largestUnit }
}

/** Costs held at once; more inputs are looked at in turns. */
const costNumbers = 2 ** 26
/** Multiplications a second of one thread, for the estimate. */
const pace = 1e9

/**
 * Flips are counted in rows inside and in units outside: a unit (video or source) of q rows may flip q of them, so the
 * radius is divided by the largest q. It is never below that of DPA, which certifies the same predictor. It is about labels that are
 * changed to another class, known or new: a label whose loss takes a sample out of `set` is not covered.
 *
 * @param trained ridge heads on disjoint partitions of `set`
 * @returns [inputs]; the radius counts relabeled units, as the buckets of `trained` define them
 * @throws VideoMaeError `INVALID_ARGUMENT` for other heads or a spread; the reason of `signal`
 */
export async function certifyRidgeLabelFlips(
  set: FeatureSet,
  trained: TrainedHeads & Pick<TrainedEnsemble<TestSet>, 'offsets' | 'assignment'>,
  test: TestSet,
  options: WhiteBoxOptions = {},
): Promise<InputCertificate[]> {
  const { head, classes, width, learners, assignment } = trained
  const { signal, onProgress, onNote } = options
  if (head.kind !== 'ridge') throw invalidArgument('head', 'ridge heads', head.kind)
  if (trained.offsets.length !== 1) throw invalidArgument('offsets', 'disjoint partitions', trained.offsets.join(','))
  const scale = (features: Float32Array, rows: number) =>
    head.scaling === 'unit' ? unitRows(features, rows, width) : features
  const facts = flipFacts(set, assignment)
  const ballots = await voteLearners(trained, test, { ...options, keep: 'votes', onProgress: undefined })
  const scaledTest = scale(test.features, test.rows)
  const turn = Math.max(1, Math.min(test.rows, Math.floor(costNumbers / (learners * (classes + 1)))))
  const base = {
    kind: 'flips' as const,
    ...{ classes, width, learners, lambda: head.lambda, offsets: trained.offsets },
    features: shared(Float32Array, scale(set.features, set.rows)),
    labels: shared(Int32Array, set.labels),
    order: shared(Int32Array, assignment.order),
    starts: shared(Int32Array, assignment.starts),
  }
  const certificates: InputCertificate[] = []
  for (let from = 0; from < test.rows; from += turn) {
    const count = Math.min(turn, test.rows - from)
    const job: FlipJob = {
      ...base,
      inputs: withBias(scaledTest, from, count, width),
      votes: ballots.ranks.subarray(from * learners, (from + count) * learners),
      costs: new Float32Array(new SharedArrayBuffer(4 * count * learners * (classes + 1))),
    }
    if (from === 0) onNote?.(needs(job, test.rows / count, threadCount(options)))
    await runWriting(job, splitRange(0, learners, 1), {
      ...options,
      onProgress: (done) => onProgress?.(from * learners + done * count, test.rows * learners),
    })
    await options.onCosts?.(job.costs)
    let pause = performance.now()
    for (let t = 0; t < count; t++) {
      if (performance.now() - pause > 50) {
        await new Promise(setImmediate)
        pause = performance.now()
      }
      signal?.throwIfAborted()
      certificates.push(certifyInput(job, t, facts))
    }
  }
  return certificates
}

function certifyInput(job: FlipJob, t: number, facts: FlipFacts): InputCertificate {
  const { classes, learners } = job
  const votes = job.votes.subarray(t * learners, (t + 1) * learners)
  const size = learners * (classes + 1)
  const { prediction, radius, rival } = certifyUnitFlips(
    job.costs.subarray(t * size, (t + 1) * size),
    votes,
    classes,
    facts,
  )
  let abstentions = 0
  for (let i = 0; i < learners; i++) if (votes[i] === classes) abstentions++
  return { prediction, radius, rivals: [rival], abstentions }
}

function withBias(features: Float32Array, from: number, count: number, width: number): Float64Array {
  const inputs = new Float64Array(new SharedArrayBuffer(8 * count * (width + 1))).fill(1)
  for (let t = 0; t < count; t++)
    inputs.set(features.subarray((from + t) * width, (from + t + 1) * width), t * (width + 1))
  return inputs
}

/** What a thread holds for the largest learner, and what all share. */
function needs(job: FlipJob, turns: number, threads: number): string {
  const depth = job.width + 1
  let largest = 0
  for (let i = 0; i < job.learners; i++) largest = Math.max(largest, job.starts[i + 1] - job.starts[i])
  const smaller = Math.min(largest, depth)
  const used = Math.min(threads, job.learners)
  const ofThread = 8 * (2 * largest * depth + 3 * smaller ** 2 + 3 * 2 ** 22 + 4096 * depth)
  const bytes = used * ofThread + job.features.byteLength + job.inputs.byteLength + job.costs.byteLength
  const seconds = (turns * workOf(job)) / (pace * used)
  const time = seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`
  return `white-box: ${job.order.length} samples in ${job.learners} base classifiers, the largest of ${largest}; about ${(bytes / 2 ** 30).toFixed(1)} GiB and ${time}`
}
