/** The one machine of ensembles: layout, training, resumption, shares, merging and votes, for learners of every kind. */
import { invalidArgument } from '../../core/errors.ts'
import { digestOfPlan } from './digest.ts'
import type { SampleSet, TestInputs } from './feature-set.ts'
import { type EnsembleLayout, layOut, layOutLists } from './layout.ts'
import {
  type EnsemblePlan,
  type LearnerFamily,
  type LearnerRecord,
  learnersOfShard,
  type PoolOptions,
  requireAll,
  type TrainedEnsemble,
} from './learners.ts'
import { type Range, splitRange } from './queue.ts'
import { folderStore, type LearnerStore, memoryStore } from './store.ts'
import type { EnsembleTrainer, LearnerTraining } from './trainer.ts'

/** Base classifiers that this trainer trains. */
export function ensembles<Set extends SampleSet, Inputs extends TestInputs>(
  trainer: EnsembleTrainer<Set, Inputs>,
): LearnerFamily<Set, Inputs> {
  const { description, check, poisoned } = trainer

  async function open(set: Set, plan: EnsemblePlan) {
    trainer.checkPlan(set, plan)
    const layout = layOut(set, plan)
    const training = trainer.open(layout)
    const { directory } = plan
    const store =
      directory === undefined
        ? memoryStore()
        : await folderStore(directory, digestOfPlan(layout, trainer), (learner, states) =>
            training.digest(learner, states),
          )
    return { layout, training, store }
  }

  return {
    description,
    check,
    poisoned,
    async train(set, plan) {
      const opened = await open(set, plan)
      const share = learnersOfShard(plan.learners, plan.shard ?? { index: 0, count: 1 })
      return ensembleOf(opened, await trainShare(opened, share, trainer.learnersAtOnce, plan))
    },
    async merge(set, plan) {
      const { directory, learners } = plan
      if (directory === undefined) throw invalidArgument('directory', 'the folder of the shares', directory)
      const opened = await open(set, plan)
      const kept = await restore(opened, [0, learners])
      return ensembleOf(opened, { records: requireAll(kept, directory), resumed: learners })
    },
    async trainOnRows(set, lists, options) {
      const layout = layOutLists(set, lists)
      const opened = { layout, training: trainer.open(layout), store: memoryStore() }
      return ensembleOf(opened, await trainShare(opened, [0, lists.length], trainer.learnersAtOnce, options))
    },
  }
}

interface Opened<Set extends SampleSet, Inputs extends TestInputs> {
  readonly layout: EnsembleLayout<Set>
  readonly training: LearnerTraining<Inputs>
  readonly store: LearnerStore
}

type Trained = Pick<TrainedEnsemble<never>, 'records' | 'resumed'>

/** @returns [learners] records of what is kept already */
async function restore<Set extends SampleSet, Inputs extends TestInputs>(
  { layout, training, store }: Opened<Set, Inputs>,
  range: Range,
): Promise<(LearnerRecord | undefined)[]> {
  const records = new Array<LearnerRecord | undefined>(layout.learners)
  await store.read(range, (learner) => {
    training.restore(learner)
    records[learner.record.learner] = learner.record
  })
  return records
}

/** Trains learners from..to-1, as far as the store does not hold them already. */
async function trainShare<Set extends SampleSet, Inputs extends TestInputs>(
  opened: Opened<Set, Inputs>,
  [from, to]: Range,
  learnersAtOnce: EnsembleTrainer<Set, Inputs>['learnersAtOnce'],
  options: PoolOptions,
): Promise<Trained> {
  const { training, store } = opened
  const records = await restore(opened, [from, to])
  const resumed = records.filter((record) => record !== undefined).length
  const size = learnersAtOnce(to - from, options)
  const ranges = splitRange(from, to, size).flatMap((range) => splitMissing(records, range))
  let done = resumed
  let written: Promise<void> = Promise.resolve()
  const unwritten = new AbortController()
  const signal = AbortSignal.any([unwritten.signal, ...(options.signal === undefined ? [] : [options.signal])])
  // Without a folder there is nothing that can fail to be kept; a signal would make a short training take a thread.
  const stop = store.kept ? signal : options.signal
  await training
    .train(ranges, store, { threads: options.threads, signal: stop }, (range, trained) => {
      for (const { record } of trained) records[record.learner] = record
      done += range[1] - range[0]
      options.onProgress?.(done, to - from)
      written = written.then(() => store.write(range, trained))
      // Awaited at the end. Until then it must not count as unhandled, and what cannot be kept is not worth training.
      written.catch((error) => unwritten.abort(error))
      return written
    })
    .finally(() => written)
  return { records: records.filter((record) => record !== undefined), resumed }
}

/** The stretches of from..to-1 without a record. */
function splitMissing(records: readonly (LearnerRecord | undefined)[], [from, to]: Range): Range[] {
  const stretches: [number, number][] = []
  for (let i = from; i < to; i++) {
    if (records[i] !== undefined) continue
    const last = stretches[stretches.length - 1]
    if (last !== undefined && last[1] === i) last[1] = i + 1
    else stretches.push([i, i + 1])
  }
  return stretches
}

function ensembleOf<Set extends SampleSet, Inputs extends TestInputs>(
  { layout, training, store }: Opened<Set, Inputs>,
  { records, resumed }: Trained,
): TrainedEnsemble<Inputs> {
  const { set, learners, offsets, assignment } = layout
  return {
    classes: set.classNames.length,
    ...{ learners, offsets, assignment, records, resumed },
    async vote(inputs, range, options) {
      if (records.length !== learners)
        throw invalidArgument('trained', `all ${learners} base classifiers`, records.length, 'Merge the shards first.')
      return training.vote(inputs, range, { records, store }, options)
    },
    ...(records.length === learners ? training.extras?.() : {}),
  }
}
