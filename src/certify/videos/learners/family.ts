/** Learners that an engine trains, as a family of base classifiers: attentive heads, full fine-tuning, training from scratch. */
import { createHash } from 'node:crypto'
import { RandomStream } from '../../../core/random.ts'
import { stateDigest } from '../../../model/digest.ts'
import { digestOfLearner } from '../../ensemble/digest.ts'
import { ensembles } from '../../ensemble/ensemble.ts'
import { checkLabels, checkSampleSet } from '../../ensemble/feature-set.ts'
import { classesOfLearner, type EnsembleLayout, rowsOfLearner } from '../../ensemble/layout.ts'
import type { LearnerFamily, LearnerState, PoolOptions, TrainedLearner } from '../../ensemble/learners.ts'
import { inTurns, threadCount } from '../../ensemble/queue.ts'
import type { LearnerStore } from '../../ensemble/store.ts'
import type { LearnerTraining } from '../../ensemble/trainer.ts'
import { type Ballots, ballotsFromScores } from '../../rules/ballot.ts'
import { notGrouped } from './learner-options.ts'
import { SessionPool } from './session-pool.ts'
import type { LearnerSamples, LearnerTrainer, TrainerContext } from './trainer.ts'
import { type Content, poisonedVideos, type VideoInputs, type VideoSet } from './video-set.ts'

/** See `LearnerTrainer.version`: of all learners that an engine trains, and of the frames or tokens that they read. */
const engineVersion = 3

/**
 * The family of learners that an engine trains on frames.
 *
 * @param seed of all that learners draw at random; each learner has a seed of its own, from this one and its number
 * @returns the family; its `checkPlan` throws `LEARNER_NOT_GROUPED` for a plan with encoder groups
 */
export function engineLearners(trainer: LearnerTrainer, seed = 0): LearnerFamily<VideoSet, VideoInputs> {
  const description = { ...trainer.description, seed }
  return ensembles({
    description,
    version: engineVersion,
    check(set, inputs) {
      checkSampleSet(set)
      checkLabels(inputs, set.classNames.length)
    },
    checkPlan(_set, { groups }) {
      if (groups !== undefined) throw notGrouped(description.kind)
    },
    contentOf: ({ contents }, row) => contentName(contents[row]),
    learnersAtOnce: () => 1,
    open: (layout) => new EngineTraining(trainer, seed, JSON.stringify(description), layout),
    poisoned: poisonedVideos,
  })
}

class EngineTraining implements LearnerTraining<VideoInputs> {
  private readonly trainer: LearnerTrainer
  private readonly seed: number
  private readonly description: string
  private readonly layout: EnsembleLayout<VideoSet>
  /** [learners] classes of its samples, ascending. */
  private readonly own: readonly (readonly number[])[]
  private readonly scored = new WeakMap<VideoInputs, Promise<Float32Array[]>>()

  constructor(trainer: LearnerTrainer, seed: number, description: string, layout: EnsembleLayout<VideoSet>) {
    this.trainer = trainer
    this.seed = seed
    this.description = description
    this.layout = layout
    const { learners, knows, set } = layout
    this.own = Array.from({ length: learners }, (_, i) => classesOfLearner(knows, set.classNames.length, i))
  }

  digest(learner: number, states: readonly LearnerState[]): string {
    const samples = rowsOfLearner(this.layout, learner).length
    const of = { description: this.description, samples, classNames: this.classNamesOf(learner) }
    return digestOfLearner(of, states.map(stateDigest))
  }

  /** Weights that are kept are read again when they are needed: hundreds of learners would not fit into memory. */
  restore(): void {}

  train(...[ranges, store, options, onTrained]: Parameters<LearnerTraining<VideoInputs>['train']>): Promise<void> {
    return withSessions(ranges, options, async (range, context) => {
      const trained: TrainedLearner[] = []
      for (let learner = range[0]; learner < range[1]; learner++)
        trained.push(await this.trainOne(learner, store, context))
      await onTrained(range, trained)
    })
  }

  async vote(...[inputs, { from, to }, learners, options]: Parameters<LearnerTraining<VideoInputs>['vote']>) {
    const { seeds, set, knows } = this.layout
    const known = this.scored.get(inputs) ?? this.scoreAll(inputs, learners, options)
    this.scored.set(inputs, known)
    const all = await known
    const classes = set.classNames.length
    const places = options.keep === 'votes' ? 1 : classes
    return ballotsOf(all, this.own, { from, to, inputs: inputs.rows, seeds, classes, places, knows })
  }

  private classNamesOf(learner: number): string[] {
    return this.own[learner].map((c) => this.layout.set.classNames[c])
  }

  private async trainOne(learner: number, store: LearnerStore, context: TrainerContext): Promise<TrainedLearner> {
    const { set, seeds } = this.layout
    const rows = rowsOfLearner(this.layout, learner)
    const classNames = this.classNamesOf(learner)
    const samples: LearnerSamples = {
      contents: rows.map((row) => set.contents[row]),
      labels: rows.map((row) => this.own[learner].indexOf(set.labels[row])),
      classNames,
    }
    const states: LearnerState[] = []
    // Of one class there is nothing to learn.
    for (let s = 0; s < seeds && classNames.length > 1; s++) {
      const { folder, remove } = await store.workFolder(learner, s)
      try {
        states.push(await this.trainer.train(samples, seedOf(this.seed, learner, s), folder, context))
      } catch (error) {
        context.signal?.throwIfAborted() // the caller's words for continuing, not those of the run inside
        throw error
      } finally {
        await remove()
      }
    }
    return { record: { learner, samples: rows.length, sha256: this.digest(learner, states) }, states }
  }

  /** [learners] of [seeds, inputs, classes of the learner] */
  private async scoreAll(
    inputs: VideoInputs,
    { records, store }: Parameters<LearnerTraining<VideoInputs>['vote']>[2],
    options: PoolOptions,
  ): Promise<Float32Array[]> {
    const { seeds } = this.layout
    const name = inputsDigest(inputs)
    const all = new Array<Float32Array>(records.length)
    let done = 0
    await withSessions(records, options, async (record, context) => {
      const { learner } = record
      all[learner] = await store.scores(name, record, async () => {
        const classNames = this.classNamesOf(learner)
        const each = inputs.rows * classNames.length
        const scores = new Float32Array(seeds * each)
        for (const [s, state] of (await store.statesOf(record)).entries())
          scores.set(await this.trainer.score(state, inputs.contents, classNames, context), s * each)
        return scores
      })
      options.onProgress?.(++done, records.length)
    })
    return all
  }
}

/** The seed of a learner: a function of its number alone. */
function seedOf(seed: number, learner: number, repetition: number): number {
  return new RandomStream(seed, learner, repetition, 'base learner').uint32()
}

function inputsDigest({ contents }: VideoInputs): string {
  return createHash('sha256').update(contents.map(contentName).join('\n')).digest('hex')
}

function contentName({ key, noise }: Content): string {
  return noise === null ? key : `${key} ${noise.size} ${noise.seed}`
}

/** Works on all items, in sessions that the threads share one after another. */
async function withSessions<Item>(
  items: readonly Item[],
  options: PoolOptions,
  each: (item: Item, context: TrainerContext) => Promise<void>,
): Promise<void> {
  const { signal } = options
  const sessions = new SessionPool()
  const work = (item: Item) => each(item, { sessions, signal })
  await inTurns(items, { threads: threadCount(options), signal }, () => ({ work })).finally(() => sessions.close())
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
    /** [learners, classes] */
    readonly knows: Uint8Array
  },
): Ballots {
  const { from, to, inputs, seeds, classes, places, knows } = shape
  const learners = scores.length
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
