/** Trains the learners of a plan and lets them vote. */
import { invalidArgument } from '../../../core/errors.ts'
import { type Ballots, emptyBallots } from '../../rules/ballot.ts'
import { type FeatureSet, type TestSet, unitRows } from '../feature-set.ts'
import { type LearnerRecord, learnersOfShard, type PoolOptions, type Shard, type VoteOptions } from '../learners.ts'
import { type TrainedHeads, weightsLength } from './head.ts'
import {
  type PreparedTraining,
  planDigest,
  prepareTraining,
  shared,
  type TrainedLearners,
  type TrainOptions,
} from './plan.ts'
import { runTraining, runWriting, splitRange } from './pool.ts'
import { LearnerStore } from './store.ts'

/**
 * Trains every learner (or those of one shard). Each depends on its own buckets only, byte for byte: no statistic, shape,
 * stopping rule or random number is shared.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, `STORE_MISMATCH` when `directory` belongs to another plan
 */
export async function trainLearners(set: FeatureSet, options: TrainOptions): Promise<TrainedLearners> {
  const { shard } = options
  const prepared = prepareTraining(set, options)
  const { job, assignment } = prepared
  if (options.directory === undefined) return trainPrepared(prepared, options)
  const plan = planDigest(set, job.head, assignment, job.offsets)
  const store = await LearnerStore.open(options.directory, { plan, job, shard: shard ?? { index: 0, count: 1 } })
  try {
    return await trainPrepared(prepared, options, store, shard)
  } finally {
    await store.close()
  }
}

/** Trains what is laid out, as far as `store` does not hold it already. */
export async function trainPrepared(
  { job, assignment }: PreparedTraining,
  options: PoolOptions,
  store?: LearnerStore,
  shard: Shard = { index: 0, count: 1 },
): Promise<TrainedLearners> {
  const { learners } = job
  const [first, end] = learnersOfShard(learners, shard)
  const records = new Array<LearnerRecord | undefined>(learners)
  for (const record of store?.restored ?? []) records[record.learner] = record

  // Small ranges keep threads busy to the end and lose little at a kill; neighbors share bucket statistics.
  // Without threads a range blocks whoever wants to stop, so it is short.
  const size = Math.max(1, Math.min(options.threads === 1 ? 8 : 64, Math.ceil((end - first) / 32)))
  const ranges = splitRange(first, end, size).flatMap(([from, to]) => splitMissing(records, from, to))
  let written: Promise<void> = Promise.resolve()
  const unwritten = new AbortController()
  const signals = [unwritten.signal, ...(options.signal === undefined ? [] : [options.signal])]
  const signal = store === undefined ? options.signal : AbortSignal.any(signals)
  await runTraining(job, ranges, { ...options, signal }, (trained) => {
    for (const record of trained) records[record.learner] = record
    if (store === undefined) return
    written = written.then(() => store.append(trained))
    // Awaited at the end. Until then it must not count as unhandled, and what cannot be kept is not worth training.
    written.catch((error) => unwritten.abort(error))
  }).finally(() => written)
  return {
    head: job.head,
    classes: job.classes,
    width: job.width,
    learners,
    offsets: job.offsets,
    assignment,
    weights: job.weights,
    knows: job.knows,
    records: records.filter((record) => record !== undefined),
    resumed: store?.restored.length ?? 0,
  }
}

/** The stretches of from..to-1 without a record. */
function splitMissing(records: readonly (LearnerRecord | undefined)[], from: number, to: number): [number, number][] {
  const stretches: [number, number][] = []
  for (let i = from; i < to; i++) {
    if (records[i] !== undefined) continue
    const last = stretches[stretches.length - 1]
    if (last !== undefined && last[1] === i) last[1] = i + 1
    else stretches.push([i, i + 1])
  }
  return stretches
}

/**
 * Ballots of all learners on all inputs.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` when the widths differ or learners are missing
 */
export async function voteLearners(
  trained: TrainedHeads & Partial<Pick<TrainedLearners, 'records'>>,
  test: TestSet,
  options: VoteOptions = {},
): Promise<Ballots> {
  const { classes, width, learners } = trained
  if (test.width !== width) throw invalidArgument('test.width', `${width}, as in training`, test.width)
  if (trained.records !== undefined && trained.records.length !== learners)
    throw invalidArgument('trained', `all ${learners} learners`, trained.records.length, 'Merge the shards first.')
  const ballots = emptyBallots(test.rows, learners, classes, options.keep === 'votes' ? 1 : classes)
  const scaled = trained.head.scaling === 'unit' ? unitRows(test.features, test.rows, width) : test.features
  const threads = options.threads ?? 16
  await runWriting(
    {
      kind: 'vote',
      classes,
      width,
      weights: trained.weights,
      knows: trained.knows,
      features: shared(scaled),
      ballots,
    },
    // Each range packs the inputs again, so a thread gets few of them.
    splitRange(0, learners, Math.max(32, Math.ceil(learners / (2 * threads)))),
    options,
  )
  return ballots
}

/**
 * Ballots where each group of learners sees the inputs through its own encoder.
 *
 * @param tests [groups] the same inputs, as each group's encoder sees them; learners are split evenly, in order
 */
export async function voteInGroups(
  trained: TrainedHeads & Partial<Pick<TrainedLearners, 'records'>>,
  tests: readonly TestSet[],
  options: VoteOptions = {},
): Promise<Ballots> {
  const { learners, classes, width } = trained
  const size = learners / tests.length
  if (!Number.isInteger(size)) throw invalidArgument('tests', `a number that divides ${learners}`, tests.length)
  const rows = tests[0].rows
  const ballots = emptyBallots(rows, learners, classes, options.keep === 'votes' ? 1 : classes)
  const length = weightsLength(classes, width)
  for (const [g, test] of tests.entries()) {
    const first = g * size
    const mine = await voteLearners(
      {
        ...trained,
        learners: size,
        weights: trained.weights.subarray(first * length, (first + size) * length),
        knows: trained.knows.subarray(first * classes, (first + size) * classes),
        records: trained.records?.slice(first, first + size),
      },
      test,
      options,
    )
    const row = size * ballots.places
    for (let t = 0; t < rows; t++)
      ballots.ranks.set(mine.ranks.subarray(t * row, (t + 1) * row), (t * learners + first) * ballots.places)
  }
  return ballots
}
