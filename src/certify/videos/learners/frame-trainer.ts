/** Base classifiers that are trained from pixels: all weights of a pretrained encoder, or of one that has learned nothing. */
import path from 'node:path'
import type { LabeledVideo } from '../../../dataset/dataset.ts'
import {
  type FinetuneConfiguration,
  type FinetuneInput,
  finetuneConfiguration,
} from '../../../finetune/configuration.ts'
import { finetuneFull } from '../../../finetune/finetune-full.ts'
import { planFull } from '../../../finetune/plan.ts'
import { openClassifier } from '../../../inference/classifier.ts'
import { type EncoderWeights, freshEncoder } from '../../../inference/encoder-source.ts'
import { openClipClassifier, predictFrom } from '../../../inference/predict-videos.ts'
import { stateDigest } from '../../../model/digest.ts'
import { chooseEngine } from '../../../train/engine-choice.ts'
import type { MemoryNeed } from '../../../train/memory-need.ts'
import { plainConfiguration } from '../../../train/resolve.ts'
import type { RunStart } from '../../../train/run-start.ts'
import { type FrameStore, storedSampling } from './frame-store.ts'
import type { FrameLearnerKind } from './learner-options.ts'
import type { LearnerTrainer } from './trainer.ts'

export interface FrameLearnerOptions {
  readonly kind: FrameLearnerKind
  /** A fine-tuning recipe; of its sections `augment`, `regularization`, `batch`, `optimizer`, `schedule` and `engine` count. */
  readonly recipe?: FinetuneConfiguration
  /** Passes over the samples of a learner. Default: as the recipe says, 30 without one. */
  readonly epochs?: number
  readonly engine?: string | null
  /** What else the weights of learners depend on; see `Engine.variant`. */
  readonly engineVariant?: string | null
}

/** What a learner is trained with where no recipe is given: few clips, so small batches and many passes. */
function usualRecipe(kind: FrameLearnerKind): FinetuneInput {
  const strong = kind === 'scratch_augmented'
  return {
    augment: strong
      ? { area: [0.3, 1] }
      : { area: [0.5, 1], randAugment: null, erasing: 0, mixup: null, cutmix: null, smoothing: 0.1 },
    // Fresh weights get the same rate in all layers: a low one in the first layers would only hold them back.
    regularization: { dropPath: 0.05, layerDecay: kind === 'full' ? 0.75 : 1 },
    batch: { size: 16, perRun: 16 },
    optimizer: { baseLearningRate: 1.6e-2, clipNorm: 1 },
    schedule: { duration: '30 epochs', warmup: '3 epochs' },
  }
}

/** The constants of every learner. */
function configurationOf({ kind, recipe, epochs, engine = null }: FrameLearnerOptions): FinetuneConfiguration {
  const usual = finetuneConfiguration(usualRecipe(kind))
  const { augment, regularization, batch, optimizer, schedule, engine: wanted } = recipe ?? usual
  const passes = (amount: number) => ({ amount, unit: 'epochs' as const })
  // Whole passes only: a warm-up of one step would be that step at rate 0, and a short training none at all.
  const warmup = (amount: number) => passes(Math.floor(amount / 10))
  const never = { amount: 1e9, unit: 'steps' as const }
  return {
    ...usual,
    ...{ augment, regularization, batch, optimizer },
    schedule: epochs === undefined ? schedule : { ...schedule, duration: passes(epochs), warmup: warmup(epochs) },
    mode: 'full',
    engine: { ...wanted, name: engine ?? wanted.name, threads: 1 },
    // The last step writes a checkpoint in any case.
    checkpoint: { every: never, keep: 1 },
    log: { every: never, tensorboard: false, csv: false },
  }
}

/**
 * What one learner trains, and the memory that `atOnce` of them need side by side.
 *
 * @param classes most classes that a learner can have
 */
export async function frameLearnerNeed(
  source: EncoderWeights,
  options: FrameLearnerOptions,
  { classes, atOnce }: { readonly classes: number; readonly atOnce: number },
): Promise<{ readonly start: RunStart; readonly memory: MemoryNeed }> {
  const classNames = Array.from({ length: classes }, (_, c) => String(c))
  const video: LabeledVideo = { path: '', id: '', label: '0', class: 0, digest: null }
  const looked = { dataset: { classes: classNames }, split: { train: [video], validation: [], test: [] }, source }
  // Clips come out of a store of frames, without decoding processes.
  const configuration = configurationOf(options)
  const single = { ...configuration, data: { ...configuration.data, workers: 0 } }
  const { start } = await planFull(single, looked, { out: '' })
  const { state, workspace, saving, data, program, available } = start.memory
  const parts = { state: atOnce * state, workspace: atOnce * workspace, saving: atOnce * saving, data: atOnce * data }
  const total = Object.values(parts).reduce((sum, part) => sum + part, program)
  return { start, memory: { ...parts, program, total, available } }
}

/**
 * @param source for `full` the pretrained encoder; for the others only its sizes are used
 * @param frames stored for this source
 */
export function frameTrainer(source: EncoderWeights, frames: FrameStore, options: FrameLearnerOptions): LearnerTrainer {
  const configuration = configurationOf(options)
  const seen = { ...source, sampling: storedSampling(source.sampling) }
  const model = { ...source.configuration, useMeanPooling: true, encoderNorm: true }
  const { augment, regularization, batch, optimizer, engine } = configuration
  const { ema, ...settings } = optimizer
  return {
    description: {
      kind: options.kind,
      // Sizes alone would let the learners of one encoder pass for those of another. Fresh weights follow from the seed.
      ...(options.kind === 'full' ? { encoder: stateDigest(source.state) } : {}),
      model,
      sampling: source.sampling,
      store: frames.id,
      augment,
      regularization,
      batch,
      // The name of the key when the first certificates were written: the digest of the plan covers it.
      optimizer: { ...settings, ema },
      schedule: plainConfiguration(configuration).schedule,
      engine,
      ...((options.engineVariant ?? null) === null ? {} : { engineVariant: options.engineVariant }),
    },
    async train({ contents, labels, classNames }, seed, folder, { sessions, signal }) {
      const videos = contents.map(
        (_, i): LabeledVideo => ({
          path: String(i),
          id: String(i),
          label: classNames[labels[i]],
          class: labels[i],
          digest: null,
        }),
      )
      const start =
        options.kind === 'full'
          ? seen
          : freshEncoder({ ...source.configuration, positionGrid: null }, seen.sampling, seed)
      await finetuneFull(
        { ...configuration, seed },
        {
          dataset: { videos, classes: classNames, duplicates: [], unreadable: [], leftOut: [], sources: [], notes: [] },
          split: { train: videos, validation: [], test: [] },
          source: start,
          warnings: [],
          reader: frames.reader(new Map(contents.map((content, i) => [String(i), content]))),
        },
        // Whether it fits was asked before: sessions that wait for the next learner are no other memory.
        { out: folder, signal, force: true, engine: sessions.engine(await chooseEngine(engine.name)) },
      )
      return (await openClassifier(path.join(folder, 'best'))).state
    },
    async score(state, contents, classNames, { sessions, signal }) {
      const classifier = await openClipClassifier(
        { configuration: model, head: { kind: 'linear' }, state, labels: classNames, sampling: seen.sampling },
        { engine: sessions.engine(await chooseEngine(engine.name)), batch: 16, threads: 1 },
      )
      const scores = new Float32Array(contents.length * classNames.length)
      try {
        for await (const prediction of predictFrom(classifier, frames.middleClips(contents, seen))) {
          signal?.throwIfAborted()
          if (prediction.ok) scores.set(prediction.probabilities.map(logarithm), prediction.index * classNames.length)
        }
      } finally {
        await classifier.close()
      }
      return scores
    },
  }
}

/** Of a probability; the smallest positive number stands for 0. */
export function logarithm(probability: number): number {
  return Math.log(Math.max(probability, Number.MIN_VALUE))
}
