import path from 'node:path'
import type { LabelledVideo } from '../dataset/dataset.ts'
import type { Classifier } from '../inference/classifier.ts'
import { featureProgram } from '../inference/encoder-source.ts'
import { type Evaluation, evaluationOf, type VideoResult } from '../inference/evaluate.ts'
import { type FeatureRows, linearLogits, mergeViews, readRows } from '../inference/feature-rows.ts'
import { type ComputedFeatures, computeFeatures, toldFailure } from '../inference/features.ts'
import type { ValidationScores } from '../inference/scores.ts'
import { useOf } from '../inference/trained-on.ts'
import type { RunOptions } from '../train/training-run.ts'
import { engineOptions } from '../train/training-session.ts'
import type { TrainingUse } from '../train/training-use.ts'
import { type FinetuneConfiguration, loadingOptions } from './configuration.ts'
import { unreadableClasses } from './finetune-data.ts'
import { interruptible } from './interruption.ts'
import { headPlan } from './plan.ts'
import type { PreparedFinetuning } from './prepare.ts'
import { probeProbabilities, trainProbe } from './probe.ts'
import { trainRidgeHead } from './ridge.ts'

export interface HeadFinetuning {
  readonly classifier: Classifier
  /** Null without test videos that can be read. */
  readonly test: Evaluation | null
  readonly validation: ValidationScores | null
  /** Seconds of computing features (nearly none where they were cached) and of training the head. */
  readonly featureSeconds: number
  readonly trainSeconds: number
  /** Epochs or strength that were chosen, in words. */
  readonly chosen: string
  readonly failures: Evaluation['failures']
  /** What a user should know, one sentence each. */
  readonly warnings: readonly string[]
}

export interface HeadOptions extends Pick<RunOptions, 'out' | 'signal' | 'onNote'> {
  /** Videos whose features are there, of all that are needed. */
  readonly onFeatures?: (done: number, total: number) => void
  /**
   * Called with the trained classifier before it is tested: whatever becomes of the test, it is not lost. Returns its folder, where
   * the test looks for what it was trained on.
   */
  readonly save?: (classifier: Classifier) => Promise<string>
}

/**
 * Trains a head on frozen features, which are computed once for a given encoder, content and set of views. Nothing but
 * features outlives an interruption: a head trains in seconds and, from the same features and seed, to the same weights.
 *
 * @throws VideoMaeError `INTERRUPTED`, and what reading videos and the engine throw
 */
export async function finetuneHead(
  configuration: FinetuneConfiguration,
  prepared: PreparedFinetuning,
  options: HeadOptions,
): Promise<HeadFinetuning> {
  const cache = configuration.probe.cache ?? path.join(options.out, 'features')
  const told = {
    message: `Stopped before the classifier was done; the features computed so far are kept in ${cache}.`,
    hint: 'Run the same command again: it goes on from these features and trains the head from its beginning.',
  }
  return interruptible(options.signal, told, () => trainHead(configuration, prepared, cache, options))
}

async function trainHead(
  configuration: FinetuneConfiguration,
  { dataset, split, source }: PreparedFinetuning,
  cache: string,
  options: HeadOptions,
): Promise<HeadFinetuning> {
  const { mode, probe, evaluation, data, seed } = configuration
  const note = options.onNote ?? (() => {})
  const { kind, readout, head } = headPlan(configuration, source.configuration.encoder.width)
  const engine = { ...engineOptions(configuration.engine), engine: configuration.engine.name }
  const began = performance.now()
  const total = split.train.length + split.validation.length + split.test.length
  let before = 0
  const featuresOf = async (videos: readonly LabelledVideo[], clips: number, crops: number) => {
    const computed = await computeFeatures(source, videos, {
      ...engine,
      kind,
      readout,
      cache,
      clips,
      crops,
      ...loadingOptions(data),
      signal: options.signal,
      onProgress: (done) => options.onFeatures?.(before + done, total),
    })
    before += videos.length
    return computed
  }
  const train = await featuresOf(split.train, probe.clips, 1)
  const validation = await featuresOf(split.validation, 1, 1)
  const test = split.test.length === 0 ? null : await featuresOf(split.test, evaluation.clips, evaluation.crops)
  const featureSeconds = (performance.now() - began) / 1000
  const failures = [train, validation, ...(test === null ? [] : [test])].flatMap((part) =>
    part.failures.map(toldFailure),
  )
  for (const { reason } of failures) note(`Unreadable: ${reason}`)
  const warnings = [
    ...(split.validation.length > 0 && validation.videos.length === 0
      ? [`none of the ${split.validation.length} validation videos can be read: the head is chosen without them.`]
      : []),
    ...(test !== null && test.videos.length === 0 ? [notTested(split.test.length)] : []),
  ]
  for (const warning of warnings) note(`warning: ${warning}`)

  const trainBegan = performance.now()
  const rows = await readRows(train)
  requireEveryClass(rows, dataset.classes, train.failures)
  const validationRows = await readRows(validation)
  const classes = dataset.classes.length
  const { state: encoder } = featureProgram(source, kind, 1, readout)
  let trained: {
    state: Iterable<readonly [string, Float32Array]>
    validation: HeadFinetuning['validation']
    chosen: string
  }
  if (mode === 'ridge') {
    const ridge = trainRidgeHead(rows, validationRows, classes)
    const state = [['head.weight', ridge.weight] as const, ['head.bias', ridge.bias] as const]
    trained = { state, validation: ridge.validation, chosen: `lambda ${ridge.lambda} per row` }
  } else {
    const { epochs, batch, learningRate, weightDecay } = probe
    const result = await trainProbe(rows, validationRows, {
      ...engine,
      head,
      classes,
      seed,
      epochs: epochs ?? undefined,
      batch: batch ?? undefined,
      learningRate: learningRate ?? undefined,
      weightDecay,
      signal: options.signal,
    })
    trained = { state: result.state, validation: result.validation, chosen: `epoch ${result.epoch}` }
  }
  const classifier: Classifier = {
    configuration:
      head.kind === 'linear'
        ? { ...source.configuration, useMeanPooling: true, encoderNorm: true }
        : { ...source.configuration, encoderNorm: encoder.has('encoder.norm.weight') },
    head,
    state: new Map([...encoder, ...trained.state]),
    labels: dataset.classes,
    sampling: source.sampling,
  }
  const trainSeconds = (performance.now() - trainBegan) / 1000
  const saved = await options.save?.(classifier)
  const use = await useOf({ place: saved })
  const tested =
    test === null || test.videos.length === 0
      ? null
      : await testHead(classifier, test, split.test, { ...evaluation, seed, ...engine, use })
  return {
    classifier,
    test: tested,
    validation: trained.validation,
    featureSeconds,
    trainSeconds,
    chosen: trained.chosen,
    failures,
    warnings,
  }
}

/** A warning: there are test videos, but no test. */
export function notTested(videos: number): string {
  return `none of the ${videos} test videos can be read (\`videomae inspect\` says why): the classifier is saved, but it is not tested.`
}

function requireEveryClass(
  { labels }: FeatureRows,
  classes: readonly string[],
  failures: readonly { readonly reason: string }[],
): void {
  const present = new Set(labels)
  const missing = classes.filter((_, c) => !present.has(c))
  if (missing.length === 0) return
  throw unreadableClasses(missing, failures[0].reason)
}

/** The test on features of all views: the same numbers as showing the videos to the whole classifier. */
async function testHead(
  { head, state, labels }: Classifier,
  features: ComputedFeatures<LabelledVideo>,
  videos: readonly LabelledVideo[],
  options: {
    readonly clips: number
    readonly crops: number
    readonly seed: number
    readonly engine: string | null
    readonly threads?: number
    readonly device?: string
    readonly use: TrainingUse
  },
): Promise<Evaluation> {
  const rows = await readRows(features)
  const classes = labels.length
  const linear = { weight: state.get('head.weight')!, bias: state.get('head.bias')! }
  const merged =
    head.kind !== 'attentive'
      ? mergeViews(rows, (i) => linearLogits(linear, rows.row(i)), classes)
      : await probeProbabilities(rows, state, { ...options, head, classes })
  const byId = new Map(rows.videos.map((video, v) => [video.id, merged[v]]))
  const failed = new Map(features.failures.map((failure) => [failure.id, toldFailure(failure)]))
  const results = videos.map((video): VideoResult => {
    const probabilities = byId.get(video.id)
    return probabilities === undefined
      ? { video, failure: failed.get(video.id) ?? { id: video.id, code: 'VIDEO_UNREADABLE', reason: 'no features' } }
      : { video, probabilities }
  })
  const { clips, crops, seed, use } = options
  return evaluationOf(results, { labels, clips, crops, seed, use })
}
