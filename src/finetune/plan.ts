/** What a fine-tuning run is and needs, before anything is allocated or written. */
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { availableMemory } from '../core/available-memory.ts'
import type { LabeledVideo } from '../dataset/dataset.ts'
import { Ranks } from '../distributed/ranks.ts'
import type { Engine } from '../engine/engine.ts'
import type { ClassifierHead } from '../inference/classifier.ts'
import { usualBatch } from '../inference/defaults.ts'
import { bytesOfWeights, type FeatureKind, planFeatureProgram } from '../inference/encoder-source.ts'
import { gatheredClips } from '../inference/feature-collector.ts'
import { bytesOnTheWay, clipBytesOf, clipRunNeed } from '../inference/memory.ts'
import { gatheredFor } from '../inference/predict-videos.ts'
import { buildClassifyProgram, buildFinetuneProgram, buildHeadProgram } from '../model/classify.ts'
import { type ModelConfiguration, tokenGrid } from '../model/configuration.ts'
import { dropsPaths } from '../model/drop-path.ts'
import { layerWiseScale, parameterCount } from '../model/parameters.ts'
import { readoutChoices } from '../model/readout.ts'
import { automaticReadout } from '../model/readout-name.ts'
import { withEma } from '../model/training-programs.ts'
import { chooseEngine, continuesRun } from '../train/engine-choice.ts'
import {
  type MemoryNeed,
  memoryNeed,
  programsNeed,
  requireMemory,
  trainingAdvice,
  weightBytes,
} from '../train/memory-need.ts'
import { rankBatches } from '../train/rank-batches.ts'
import { rankResources } from '../train/rank-resources.ts'
import { resolveLength } from '../train/resolve.ts'
import { describeModel, type RunStart, smallerRuns } from '../train/run-start.ts'
import type { RunOptions } from '../train/training-run.ts'
import { optimizerOptions } from '../train/training-session.ts'
import type { FinetuneConfiguration } from './configuration.ts'
import { enoughVideos } from './finetune-data.ts'
import { drawGroups } from './leave-out.ts'
import { mixes } from './mix.ts'
import type { PreparedFinetuning } from './prepare.ts'
import { headShape, probeSettings } from './probe.ts'
import { type BatchProposal, proposeBatch } from './proposal.ts'

/** What is told, and compared with the memory that is there. */
export interface Announced {
  readonly start: RunStart
  /** What to do where it does not fit. */
  readonly advice: () => string
  /** Other settings for this amount of data and memory. */
  readonly proposal?: () => BatchProposal | null
}

/**
 * Tells what a run is, refuses one that does not fit, and proposes other settings for a run that begins in one process.
 *
 * @throws VideoMaeError `OUT_OF_MEMORY`
 */
export function announce(
  { start, advice, proposal }: Announced,
  { onStart, onNote, force, resume }: Pick<RunOptions, 'onStart' | 'onNote' | 'force' | 'resume'>,
) {
  onStart?.(start)
  if (force !== true) requireMemory(start.memory, advice)
  if (onNote === undefined || resume === true || (start.ranks ?? 1) > 1) return
  const proposed = proposal?.() ?? null
  if (proposed !== null) onNote(proposed.text)
}

type Looked = Pick<PreparedFinetuning, 'split' | 'source'> & {
  readonly dataset: Pick<PreparedFinetuning['dataset'], 'classes'>
}

/** The programs of a training of all weights, its length and its need. */
export async function planFull(
  configuration: FinetuneConfiguration,
  { dataset, split, source }: Looked,
  options: { readonly out: string; readonly engine?: Engine; readonly ranks?: Ranks; readonly resume?: boolean },
) {
  const { ranks = Ranks.alone() } = options
  const { data, optimizer, regularization, evaluation, batch } = configuration
  const classes = dataset.classes.length
  const model: ModelConfiguration = { ...source.configuration, useMeanPooling: true, encoderNorm: true }
  const perRun = resolveLength(configuration, data.samplesPerClip, null).clipsPerRun / data.samplesPerClip
  const { videos, passes } = enoughVideos(split.train, perRun)
  const length = resolveLength(configuration, data.samplesPerClip, videos.length, passes)
  const stepsPerEpoch = length.stepsPerEpoch!
  const steps = length.steps!
  const validating = split.validation.length > 0
  const { samplesPerClip } = data
  const share = rankBatches(length, { samplesPerClip, ranks: ranks.size, pairs: mixes(configuration.augment) })
  const evaluating = buildClassifyProgram({ configuration: model, classes, batch: evaluation.batch, name: 'validate' })
  const build = (clipsPerRun: number) => {
    const training = buildFinetuneProgram({
      configuration: model,
      batch: clipsPerRun,
      classes,
      dropPath: dropsPaths(model.encoder.depth, regularization.dropPath),
      dropout: regularization.dropout > 0,
      optimizer: {
        ...optimizerOptions(optimizer, batch.size / ranks.size / clipsPerRun, ranks.size),
        learningRateScale: layerWiseScale(model.encoder.depth, regularization.layerDecay),
      },
    })
    if (!validating) return { training, others: [] }
    return { training, others: [optimizer.ema === null ? evaluating : withEma(evaluating, training.trained)] }
  }
  const built = build(share.clipsPerRun)
  const wanted = { ...configuration.engine, ranks: ranks.communicator.attachment }
  const engine = await chooseEngine(options.engine ?? configuration.engine.name, wanted, continuesRun(options))
  const resources = rankResources(configuration, ranks)
  const question = { engine: engine.name, options: configuration.engine, workers: resources.data.workers }
  const part = ranks.size === 1 ? {} : { available: Math.floor(availableMemory() / ranks.onThisHost) }
  const toTrain = memoryNeed({ ...question, ...built, ...part })
  const { available } = toTrain
  // The best checkpoint is tested in the end, when what trained it is closed.
  const views = evaluation.clips * evaluation.crops
  const toTest = clipRunNeed({
    ...{ engine: engine.name, options: configuration.engine, program: evaluating },
    weights: weightBytes(built.training.parameters),
    clips: {
      ...{ views, videos: split.test.length, workers: resources.data.workers ?? undefined, programs: ranks.onThisHost },
      ...{ clipBytes: clipBytesOf(model), gathered: gatheredFor(evaluation.batch, views) },
    },
  })
  const memory = toTest.total > toTrain.total ? { ...toTest, available } : toTrain
  const start: RunStart = {
    ...about(resources, split.train.length, classes, engine, options.out),
    steps,
    clips: steps * batch.size,
    ...share,
    ranks: ranks.size,
    model: describeModel(model),
    parameters: parameterCount(built.training.parameters),
    memory,
  }
  const advice = (): string => {
    if (memory !== toTrain)
      return 'Show each tested video fewer times (evaluation.clips, evaluation.crops), or fewer clips per run (evaluation.batch). --force starts the run anyway.'
    const smaller = smallerRuns(share.clipsPerRun, batch.size / ranks.size, data.samplesPerClip)
    const needs = smaller.map((clips) => ({
      perRun: clips,
      need: memoryNeed({ ...question, ...build(clips), available }),
    }))
    return trainingAdvice(available, needs)
  }
  const proposal = (): BatchProposal | null =>
    proposeBatch(configuration, {
      videos: split.train.length,
      perRun: share.clipsPerRun,
      need: (clips) => memoryNeed({ ...question, ...build(clips), available }),
    })
  return { model, videos, length, share, resources, stepsPerEpoch, steps, built, start, advice, proposal }
}

const about = (
  { engine: { threads } }: FinetuneConfiguration,
  videos: number,
  classes: number,
  engine: Engine,
  out: string,
) => ({
  ...{ videos, classes, engine: engine.name, folder: path.resolve(out) },
  threads: threads ?? availableParallelism(),
})

/** The readouts that a head may get: one, or several to choose among. */
export function readoutsOf({ mode, probe }: FinetuneConfiguration, model: ModelConfiguration): readonly string[] {
  if (mode === 'attentive') return ['mean']
  return probe.readout === automaticReadout ? readoutChoices(tokenGrid(model)) : [probe.readout]
}

/** The training videos that readouts are compared on: all of them, or whole groups that the seed draws. */
export function videosToCompare<Video extends Pick<LabeledVideo, 'group' | 'digest'>>(
  { probe, seed }: FinetuneConfiguration,
  train: readonly Video[],
): readonly Video[] {
  const groups = drawGroups(train, () => probe.clips, { seed })
  return train.filter((_, v) => groups[v] >= 0)
}

/** What a head is trained on, and the head. */
export function headPlan(
  { mode, probe }: Pick<FinetuneConfiguration, 'mode' | 'probe'>,
  width: number,
  readout: string,
): { readonly kind: FeatureKind; readonly head: ClassifierHead } {
  if (mode === 'attentive') {
    const heads = probe.heads ?? (width % 64 === 0 ? width / 64 : 1)
    return { kind: 'tokens', head: { kind: 'attentive', heads, mlpWidth: 4 * width } }
  }
  if (readout === 'mean') return { kind: 'classifier', head: { kind: 'linear' } }
  return { kind: 'pooled', head: { kind: 'readout', readout } }
}

/** Rows in memory next to those that are read: standardized ones, and for ridge all of them in float64. */
const copiesOfRows = { linear: 1, ridge: 3, attentive: 0 }

/**
 * The need of a head: that of its features, all of them computed now, or that of its training with all of them in memory, whichever
 * is larger.
 */
export async function planHead(
  configuration: FinetuneConfiguration,
  { dataset, split, source }: Looked,
  options: { readonly out: string; readonly resume?: boolean },
): Promise<Announced> {
  const { data, probe, evaluation } = configuration
  const mode = configuration.mode === 'full' ? 'linear' : configuration.mode
  const classes = dataset.classes.length
  const readouts = readoutsOf(configuration, source.configuration)
  const compared = readouts.length === 1 ? 0 : videosToCompare(configuration, split.train).length * probe.clips
  // Where one is chosen: features of all of them side by side, and then a head on the widest.
  const widest = readouts[readouts.length - 1]
  const { width } = source.configuration.encoder
  const { kind, head } = headPlan(configuration, width, widest)
  const together = readouts.join('+')
  // No weights: those of a fresh encoder that does not fit need not be drawn.
  const { program, parameters: read } = planFeatureProgram(
    source,
    headPlan(configuration, width, together).kind,
    usualBatch.features,
    together,
  )
  const { shape } = planFeatureProgram(source, kind, usualBatch.features, widest)
  const engine = await chooseEngine(configuration.engine.name, configuration.engine, continuesRun(options))
  const workers = data.workers ?? availableParallelism()
  const weights = bytesOfWeights(source)
  const { precision } = configuration.engine
  const clipBytes = clipBytesOf(source.configuration)
  const onTheWay = (views: number): number =>
    bytesOnTheWay({ views, workers, clipBytes, gathered: gatheredClips(usualBatch.features, views) })
  const ofFeatures = programsNeed({
    ...{ engine: engine.name, options: { precision }, programs: [program], saving: weights, workers },
    data: Math.max(...[probe.clips, evaluation.clips * evaluation.crops].map((views) => onTheWay(views))),
  })

  const rowBytes = 4 * shape.reduce((a, b) => a * b, 1)
  const rows = split.train.length * probe.clips
  const learning = rows + split.validation.length
  const tested = split.test.length * evaluation.clips * evaluation.crops
  const { epochs, batch } = probeSettings(head, rows, probe)
  const { programs, parameters } = buildHeadProgram({
    ...headShape(head, shape),
    ...{ batch, classes, optimizer: { beta2: 0.999 } },
  })
  const { available } = ofFeatures
  const ofHead = programsNeed({
    ...{ engine: engine.name, programs, saving: weights, workers: 0, available },
    data: Math.max(
      rowBytes * ((1 + copiesOfRows[mode]) * learning + tested),
      (1 + copiesOfRows.ridge) * readouts.length * rowBytes * compared,
    ),
  })
  const memory: MemoryNeed = ofHead.total > ofFeatures.total ? ofHead : ofFeatures
  const steps = mode === 'ridge' ? 0 : Math.floor(rows / batch) * epochs
  const start: RunStart = {
    ...about(configuration, split.train.length, classes, engine, options.out),
    ...{ steps, clips: steps * batch, clipsPerRun: batch, runsPerStep: 1, memory },
    head: { mode, features: compared + learning + tested },
    model: describeModel(source.configuration),
    parameters: read + parameterCount(parameters),
  }
  const advice = (): string => {
    const force = '--force starts the run anyway.'
    if (memory === ofFeatures)
      return `Use a smaller encoder, fewer frames or a lower resolution, fewer clips of a video (probe.clips, evaluation.clips, evaluation.crops), or a machine with more memory. ${force}`
    const fewer = 'Show each video fewer times (probe.clips, evaluation.clips, evaluation.crops)'
    return `${fewer}${mode === 'attentive' ? ', or use --mode linear or ridge, which keep one row per clip instead of all its tokens' : ''}. ${force}`
  }
  return { start, advice }
}
