import path from 'node:path'
import { percent } from '../core/percent.ts'
import type { LabeledVideo } from '../dataset/dataset.ts'
import { Ranks } from '../distributed/ranks.ts'
import type { Classifier } from '../inference/classifier.ts'
import { featureProgram } from '../inference/encoder-source.ts'
import { type Evaluation, evaluationOf, type VideoResult } from '../inference/evaluate.ts'
import { type FeatureRows, linearLogits, mergeViews, readRows } from '../inference/feature-rows.ts'
import { type ComputedFeatures, toldFailure } from '../inference/features.ts'
import type { ValidationScores } from '../inference/scores.ts'
import { useOf } from '../inference/trained-on.ts'
import { rankResources } from '../train/rank-resources.ts'
import type { RunOptions } from '../train/training-run.ts'
import { engineOptions } from '../train/training-session.ts'
import type { TrainingUse } from '../train/training-use.ts'
import type { ComparedReadout } from './choose-readout.ts'
import type { FinetuneConfiguration } from './configuration.ts'
import { unreadableClasses } from './finetune-data.ts'
import { type HeadFeatures, type HeadFeaturesOptions, headFeatures } from './head-features.ts'
import { interruptible } from './interruption.ts'
import { headPlan } from './plan.ts'
import type { PreparedFinetuning } from './prepare.ts'
import { type ProbeOptions, probeProbabilities, trainProbe } from './probe.ts'
import { type RidgeResult, trainRidgeHead } from './ridge.ts'

export interface HeadFinetuning {
  readonly classifier: Classifier
  /** Null without test videos that can be read. */
  readonly test: Evaluation | null
  readonly validation: ValidationScores | null
  /** Seconds of computing features (nearly none where they were cached) and of training the head. */
  readonly featureSeconds: number
  readonly trainSeconds: number
  /** Readout, epochs or strength that were chosen, in words. */
  readonly chosen: string
  /** What the readout was chosen by; null where it was given. */
  readonly readouts: readonly ComparedReadout[] | null
  readonly failures: Evaluation['failures']
  /** What a user should know, one sentence each. */
  readonly warnings: readonly string[]
}

export interface FinetuneHeadOptions extends HeadFeaturesOptions, Pick<RunOptions, 'out'> {
  /**
   * Called with the trained classifier before it is tested: whatever becomes of the test, it is not lost. Returns its folder, where
   * the test looks for what it was trained on.
   */
  readonly save?: (classifier: Classifier) => Promise<string>
}

/**
 * Trains a head on frozen features, which are computed once for a given encoder, content and set of views. Nothing but
 * features outlives an interruption: a head trains in seconds and, from the same features and seed, to the same weights. Ranks
 * compute the features together, and the first one trains. Collective.
 *
 * @returns null on other ranks than the first
 * @throws VideoMaeError `INTERRUPTED`, and what reading videos and the engine throw
 */
export async function finetuneHead(
  configuration: FinetuneConfiguration,
  prepared: PreparedFinetuning,
  options: FinetuneHeadOptions,
): Promise<HeadFinetuning | null> {
  const cache = configuration.probe.cache ?? path.join(options.out, 'features')
  const told = {
    message: `Stopped before the classifier was finished; the features computed so far are kept in ${cache}.`,
    hint: 'Run the same command again: it continues with these features and trains the head from scratch.',
  }
  const { ranks = Ranks.alone(), signal } = options
  const own = rankResources(configuration, ranks)
  return interruptible(signal, told, async () => {
    const began = performance.now()
    const features = await headFeatures(own, prepared, cache, options)
    const featureSeconds = (performance.now() - began) / 1000
    const train = async () =>
      features === null ? null : trainHead(configuration, prepared, { ...features, featureSeconds }, options)
    return ranks.workTogether(train, signal)
  })
}

async function trainHead(
  configuration: FinetuneConfiguration,
  prepared: PreparedFinetuning,
  { readout, compared, train, validation, test, featureSeconds }: HeadFeatures & { readonly featureSeconds: number },
  options: FinetuneHeadOptions,
): Promise<HeadFinetuning> {
  const { dataset, split, source } = prepared
  const { evaluation } = configuration
  const note = options.onNote ?? (() => {})
  const engine = { ...engineOptions(configuration.engine), engine: configuration.engine.name }
  const { kind, head } = headPlan(configuration, source.configuration.encoder.width, readout)
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
  const trained = await trainOn(configuration, rows, await readRows(validation), {
    ...{ head, classes: dataset.classes.length, signal: options.signal },
  })
  const { state: encoder } = featureProgram(source, kind, 1, readout)
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
  const use = await useOf({ location: saved })
  const tested =
    test === null || test.videos.length === 0
      ? null
      : await testHead(classifier, test, split.test, { ...evaluation, ...engine, use })
  return {
    classifier,
    test: tested,
    validation: trained.validation,
    featureSeconds,
    trainSeconds,
    chosen: compared === null ? trained.chosen : `readout ${readout}, ${trained.chosen}`,
    readouts: compared,
    failures,
    warnings,
  }
}

/** The last layers on the features of the training videos, and how they were chosen. */
async function trainOn(
  configuration: FinetuneConfiguration,
  rows: FeatureRows,
  validation: FeatureRows,
  { head, classes, signal }: Pick<ProbeOptions, 'head' | 'classes' | 'signal'>,
): Promise<{
  readonly state: Iterable<readonly [string, Float32Array]>
  readonly validation: ValidationScores | null
  readonly chosen: string
}> {
  const { mode, probe, seed } = configuration
  if (mode === 'ridge') {
    const ridge = trainRidgeHead(rows, validation, classes, { seed })
    const state = [['head.weight', ridge.weight] as const, ['head.bias', ridge.bias] as const]
    return { state, validation: ridge.validation, chosen: `lambda ${ridge.lambda} per row${leftOut(ridge)}` }
  }
  const { epochs, batch, learningRate, weightDecay } = probe
  const result = await trainProbe(rows, validation, {
    ...engineOptions(configuration.engine),
    engine: configuration.engine.name,
    ...{ head, classes, seed, weightDecay, signal },
    epochs: epochs ?? undefined,
    batch: batch ?? undefined,
    learningRate: learningRate ?? undefined,
  })
  return { state: result.state, validation: result.validation, chosen: `epoch ${result.epoch}` }
}

const leftOut = (ridge: RidgeResult): string =>
  ridge.leftOut === null ? '' : `, right for ${percent(ridge.leftOut.accuracy)} of training videos without their group`

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
  features: ComputedFeatures<LabeledVideo>,
  videos: readonly LabeledVideo[],
  options: {
    readonly clips: number
    readonly crops: number
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
  const { clips, crops, use } = options
  return evaluationOf(results, { labels, clips, crops, use })
}
