/** Learners that an engine trains, as a family of base learners: attentive heads, full fine-tuning, training from scratch. */
import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { invalidArgument } from '../../../core/errors.ts'
import { makeTemporaryFolder } from '../../../core/make-folder.ts'
import { RandomStream } from '../../../core/random.ts'
import { assignBuckets, type BucketAssignment } from '../../ensemble/buckets.ts'
import { checkLabels, checkSampleSet } from '../../ensemble/feature-set.ts'
import { threadCount } from '../../ensemble/heads/pool.ts'
import {
  checkEnsemblePlan,
  type EnsemblePlan,
  type LearnerFamily,
  learnersOfShard,
  type PoolOptions,
  requireAll,
  spreadOfPlan,
  type TrainedEnsemble,
} from '../../ensemble/learners.ts'
import { type Ballots, ballotsFromScores } from '../../rules/ballot.ts'
import { bucketsOfLearner } from '../../rules/spread.ts'
import { notGrouped } from './kinds.ts'
import { digestOfLearner, LearnerFiles, type TrainedLearner } from './learner-files.ts'
import { SessionPool } from './session-pool.ts'
import type { LearnerSamples, LearnerTrainer, Workplace } from './trainer.ts'
import { type Content, poisonedVideos, type VideoInputs, type VideoSet } from './video-set.ts'

/**
 * Version of how learners are trained and score. Raise it with every change after which the same description, samples and seed
 * give other bytes (the order of samples, initial weights, sampling, augmentation, an optimizer, the frames or tokens that are
 * stored): learners of an earlier program that lie in a folder are then refused, and not mixed with new ones.
 */
const trainingVersion = 2

/** The learners of one ensemble, and how each is trained. */
interface Work {
  readonly set: VideoSet
  readonly assignment: BucketAssignment
  readonly offsets: readonly number[]
  /** [learners] rows of each, in canonical order. */
  readonly rows: readonly (readonly number[])[]
  /** [learners] classes of its rows, ascending: all that a learner ever hears of. A longer list of classes changes none. */
  readonly own: readonly (readonly number[])[]
  readonly seeds: number
  readonly files: LearnerFiles | null
}

/**
 * The family of learners that an engine trains on frames.
 *
 * @param seed of all that learners draw at random; each learner has a seed of its own, from this one and its number
 */
export function engineLearners(trainer: LearnerTrainer, seed = 0): LearnerFamily<VideoSet, VideoInputs> {
  const description = { ...trainer.description, seed }
  const text = JSON.stringify(description)

  async function layOut(set: VideoSet, plan: EnsemblePlan): Promise<Work> {
    checkEnsemblePlan(plan)
    if (plan.groups !== undefined) throw notGrouped(description.kind)
    const { learners, by, periods, seeds = 1, directory } = plan
    const { buckets, offsets } = spreadOfPlan(plan)
    const assignment = assignBuckets(set, { by, buckets, periods })
    const { order, starts } = assignment
    const rows = Array.from({ length: learners }, (_, learner) =>
      bucketsOfLearner(learner, buckets, offsets).flatMap((bucket) => [
        ...order.subarray(starts[bucket], starts[bucket + 1]),
      ]),
    )
    const digest = planDigest(text, set, assignment, offsets, seeds)
    const files = directory === undefined ? null : await LearnerFiles.open(directory, digest, learners, text)
    return { set, assignment, offsets, rows, own: rows.map((mine) => classesOf(set, mine)), seeds, files }
  }

  async function trainOne({ set, rows, own, seeds, files }: Work, learner: number, workplace: Workplace) {
    const mine = rows[learner]
    const samples: LearnerSamples = {
      contents: mine.map((row) => set.contents[row]),
      labels: mine.map((row) => own[learner].indexOf(set.labels[row])),
      classNames: own[learner].map((c) => set.classNames[c]),
    }
    const { classNames } = samples
    const states: TrainedLearner['states'][number][] = []
    // Of one class there is nothing to learn.
    for (let s = 0; s < seeds && classNames.length > 1; s++) {
      const work = files === null ? temporaryFolder() : await files.workFolder(learner, s)
      try {
        states.push(await trainer.train(samples, seedOf(seed, learner, s), work.folder, workplace))
      } catch (error) {
        workplace.signal?.throwIfAborted() // the caller's words for going on, not those of the run inside
        throw error
      } finally {
        await work.remove()
      }
    }
    const sha256 = digestOfLearner({ description: text, samples: mine.length, classNames }, states)
    return { record: { learner, samples: mine.length, sha256 }, classNames, states }
  }

  /** @param train false: only what is there already */
  async function learnersOf(work: Work, from: number, to: number, train: boolean, options: PoolOptions) {
    const { files } = work
    const trained = new Array<TrainedLearner | undefined>(work.rows.length)
    let resumed = 0
    let done = 0
    await inTurns(from, to, options, async (learner, workplace) => {
      const known = (await files?.read(learner)) ?? null
      if (known !== null) resumed++
      const here = known ?? (train ? await trainOne(work, learner, workplace) : undefined)
      if (here !== undefined && known === null) await files?.write(here)
      // Weights that are on disk are read again when they are needed: hundreds of learners would not fit into memory.
      trained[learner] = here === undefined || files === null ? here : { ...here, states: [] }
      options.onProgress?.(++done, to - from)
    })
    return { trained, resumed }
  }

  function ensembleOf(work: Work, trained: readonly (TrainedLearner | undefined)[], resumed: number) {
    const { set, assignment, offsets, rows, own, seeds, files } = work
    const classes = set.classNames.length
    const scored = new WeakMap<VideoInputs, Promise<Float32Array[]>>()
    const scoresOf = (inputs: VideoInputs, options: PoolOptions): Promise<Float32Array[]> => {
      const known = scored.get(inputs)
      if (known !== undefined) return known
      const computed = scoreAll(inputs, options)
      scored.set(inputs, computed)
      return computed
    }
    /** [learners] of [seeds, inputs, classes of the learner] */
    async function scoreAll(inputs: VideoInputs, options: PoolOptions): Promise<Float32Array[]> {
      const name = inputsDigest(inputs)
      const all = new Array<Float32Array>(rows.length)
      let done = 0
      await inTurns(0, rows.length, options, async (learner, workplace) => {
        const { record, states } = trained[learner]!
        const compute = async () => {
          const weights = files === null ? states : (await files.readTrained(record)).states
          const classNames = own[learner].map((c) => set.classNames[c])
          const each = inputs.rows * classNames.length
          const scores = new Float32Array(seeds * each)
          for (const [s, state] of weights.entries())
            scores.set(await trainer.score(state, inputs.contents, classNames, workplace), s * each)
          return scores
        }
        all[learner] = files === null ? await compute() : await files.scores(name, record, compute)
        options.onProgress?.(++done, rows.length)
      })
      return all
    }
    const ensemble: TrainedEnsemble<VideoInputs> = {
      classes,
      learners: rows.length,
      offsets,
      assignment,
      records: trained.flatMap((learner) => (learner === undefined ? [] : [learner.record])),
      resumed,
      async vote(inputs, { from, to }, options) {
        const missing = rows.length - ensemble.records.length
        if (missing > 0) throw invalidArgument('trained', `all ${rows.length} learners`, ensemble.records.length)
        const all = await scoresOf(inputs, options)
        const places = options.keep === 'votes' ? 1 : classes
        return ballotsOf(all, own, { from, to, inputs: inputs.rows, seeds, classes, places })
      },
    }
    return ensemble
  }

  return {
    description,
    check(set, inputs) {
      checkSampleSet(set)
      checkLabels(inputs, set.classNames.length)
    },
    async train(set, plan) {
      const work = await layOut(set, plan)
      const [from, to] = learnersOfShard(plan.learners, plan.shard ?? { index: 0, count: 1 })
      const { trained, resumed } = await learnersOf(work, from, to, true, plan)
      return ensembleOf(work, trained, resumed)
    },
    async merge(set, plan) {
      const { directory, learners } = plan
      if (directory === undefined) throw invalidArgument('directory', 'the folder of the shares', directory)
      const work = await layOut(set, plan)
      const { trained, resumed } = await learnersOf(work, 0, learners, false, plan)
      requireAll(
        trained.map((learner) => learner?.record),
        directory,
      )
      return ensembleOf(work, trained, resumed)
    },
    async trainOnRows(set, lists, options) {
      const assignment = assignBuckets(set, { by: 'id', buckets: lists.length }) // not used: the lists stand for it
      const own = lists.map((rows) => classesOf(set, rows))
      const work = { set, assignment, offsets: [0], rows: lists, own, seeds: 1, files: null }
      const { trained } = await learnersOf(work, 0, lists.length, true, options)
      return ensembleOf(work, trained, 0)
    },
    poisoned: poisonedVideos,
  }
}

/** Classes of some rows, ascending. */
function classesOf({ labels }: VideoSet, rows: readonly number[]): number[] {
  return [...new Set(rows.map((row) => labels[row]))].sort((a, b) => a - b)
}

/** The seed of a learner: a function of its number alone. */
function seedOf(seed: number, learner: number, repetition: number): number {
  return new RandomStream(seed, learner, repetition, 'base learner').uint32()
}

function planDigest(
  description: string,
  set: VideoSet,
  assignment: BucketAssignment,
  offsets: readonly number[],
  seeds: number,
): string {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([trainingVersion, description, offsets, set.classNames, assignment.buckets, seeds]))
  for (const row of assignment.order)
    hash.update(
      `\n${assignment.bucketOf[row]} ${set.digests[row]} ${set.labels[row]} ${contentName(set.contents[row])}`,
    )
  return hash.digest('hex')
}

function inputsDigest({ contents }: VideoInputs): string {
  return createHash('sha256').update(contents.map(contentName).join('\n')).digest('hex')
}

function contentName({ key, noise }: Content): string {
  return noise === null ? key : `${key} ${noise.size} ${noise.seed}`
}

/** Does `each` for from..to-1, as many at a time as there are threads, in sessions that they share one after another. */
async function inTurns(
  from: number,
  to: number,
  options: PoolOptions,
  each: (learner: number, workplace: Workplace) => Promise<void>,
): Promise<void> {
  const queue = Array.from({ length: to - from }, (_, i) => from + i)
  const sessions = new SessionPool()
  await Promise.all(
    Array.from({ length: Math.min(threadCount(options), queue.length) }, async () => {
      try {
        for (let learner = queue.shift(); learner !== undefined; learner = queue.shift()) {
          options.signal?.throwIfAborted()
          await each(learner, { sessions, signal: options.signal })
        }
      } catch (error) {
        queue.length = 0 // the others stop after what they are doing
        throw error
      }
    }),
  ).finally(() => sessions.close())
}

function temporaryFolder() {
  const folder = makeTemporaryFolder('learner')
  return { folder: path.join(folder, 'run'), remove: () => rm(folder, { recursive: true, force: true }) }
}

/**
 * Ballots of inputs from..to-1.
 *
 * @param scores [learners] of [seeds, inputs, classes of the learner]
 * @param own [learners] these classes, ascending
 */
function ballotsOf(
  scores: readonly Float32Array[],
  own: readonly (readonly number[])[],
  shape: {
    readonly from: number
    readonly to: number
    readonly inputs: number
    readonly seeds: number
    readonly classes: number
    readonly places: number
  },
): Ballots {
  const { from, to, inputs, seeds, classes, places } = shape
  const learners = scores.length
  const knows = new Uint8Array(learners * classes)
  for (const [learner, mine] of own.entries()) for (const c of mine) knows[learner * classes + c] = 1
  const gathered = new Float64Array((to - from) * learners * seeds * classes).fill(Number.NEGATIVE_INFINITY)
  let at = 0
  for (let t = from; t < to; t++) {
    for (const [learner, mine] of scores.entries()) {
      const count = own[learner].length
      for (let s = 0; s < seeds; s++, at += classes)
        for (const [i, c] of own[learner].entries()) gathered[at + c] = mine[(s * inputs + t) * count + i]
    }
  }
  return ballotsFromScores(gathered, to - from, learners, classes, { seeds, places, knows })
}
