import { RandomStream } from '../core/random.ts'
import type { Engine, EngineOptions, EngineSession } from '../engine/engine.ts'
import type { ClassifierHead } from '../inference/classifier.ts'
import {
  accuracyOf,
  type FeatureRows,
  mergeViews,
  standardized,
  takeRows,
  unstandardized,
} from '../inference/feature-rows.ts'
import { isBetter, type ValidationScores } from '../inference/scores.ts'
import { buildHeadProgram } from '../model/classify.ts'
import { initialize } from '../model/initialize.ts'
import type { ModelState } from '../model/model-state.ts'
import { type Standardization, standardization } from '../numeric/standardization.ts'
import { chooseEngine } from '../train/engine-choice.ts'
import { runTraining, type TrainingBatch } from '../train/loop.ts'
import { createSchedule } from '../train/schedule.ts'
import { stepInputs, stepPrograms } from '../train/training-run.ts'

export interface ProbeOptions extends EngineOptions {
  /** `linear` and `readout` on rows [D], `attentive` on rows [N, D]. */
  readonly head: ClassifierHead
  readonly classes: number
  readonly seed: number
  /** Passes over the rows. Default 100 (linear), 20 (attentive). */
  readonly epochs?: number
  /** Rows per step, at most as many as there are. Default 64 (linear), 16 (attentive). */
  readonly batch?: number
  /** Peak learning rate; a cosine falls from it after a tenth of warm-up. Default 3e-3 (linear), 1e-3 (attentive). */
  readonly learningRate?: number
  /** Default 0.05. */
  readonly weightDecay?: number
  /** Share of a target given to all classes alike. Default 0. */
  readonly smoothing?: number
  readonly engine?: string | Engine | null
  readonly signal?: AbortSignal
  readonly onEpoch?: (epoch: number, loss: number, validation: ValidationScores | null) => void
}

export interface ProbeResult {
  /** Parameters of the head: of the epoch that was best on the validation videos, or of the last one without any. */
  readonly state: ModelState
  /** Epochs trained until then. */
  readonly epoch: number
  readonly validation: ValidationScores | null
  readonly steps: number
}

/**
 * Trains a head on frozen features, through the same loop as everything else. Rows of a linear head are standardized, and
 * the standardization is folded into its weights afterwards.
 *
 * @throws VideoMaeError as `runTraining`
 */
export async function trainProbe(
  train: FeatureRows,
  validation: FeatureRows | null,
  options: ProbeOptions,
): Promise<ProbeResult> {
  const { head, classes, seed, signal } = options
  const linear = head.kind !== 'attentive'
  const { learningRate = linear ? 3e-3 : 1e-3, weightDecay = 0.05, smoothing = 0 } = options
  const { epochs, batch } = probeSettings(head, train.count, options)
  const statistics = linear ? standardization(train) : null
  const rows = statistics === null ? train : standardized(train, statistics)
  const validating = validation === null || validation.videos.length === 0 ? null : validation
  const heldOut = validating === null || statistics === null ? validating : standardized(validating, statistics)

  const shape = headShape(head, rows.shape)
  const training = buildHeadProgram({ ...shape, batch, classes, optimizer: { beta2: 0.999 } })
  const testing = buildHeadProgram({ ...shape, batch, classes, optimizer: null, name: 'probe.test' })
  const engine = await chooseEngine(options.engine ?? null, options)
  const session = await engine.open([...training.programs, ...testing.programs], {
    threads: options.threads,
    device: options.device,
  })
  try {
    // Xavier: with a fixed deviation of 0.02 a narrow attentive head hardly passes any signal in the beginning.
    await session.writeState(initialize(training.parameters, seed, 'pretrain'))
    const perEpoch = Math.floor(rows.count / batch)
    const steps = perEpoch * epochs
    const minimumLearningRate = learningRate / 1000
    const warmupSteps = Math.min(Math.floor(steps / 10), 5 * perEpoch)
    const schedule = createSchedule({ steps, warmupSteps, learningRate, minimumLearningRate, weightDecay })
    let best: ProbeResult | null = null
    const names = [...training.parameters.keys()]
    await runTraining({
      session,
      programs: stepPrograms(training, 1),
      steps,
      done: 0,
      nextBatch: batches(rows, batch, { classes, seed, smoothing }),
      stepInputs: stepInputs(schedule, null),
      saveEvery: steps,
      signal,
      save: async () => {},
      async onStep({ step, loss }) {
        if (step % perEpoch !== 0) return
        const scores = heldOut === null ? null : await scoresOf(session, testing.step, heldOut, batch, classes)
        options.onEpoch?.(step / perEpoch, loss, scores)
        if (scores === null ? step < steps : !isBetter(scores, best?.validation ?? null)) return
        best = { state: await session.readState(names), epoch: step / perEpoch, validation: scores, steps }
      },
    })
    return folded(best!, statistics)
  } finally {
    await session.close()
  }
}

/** Epochs and rows of a batch, as they are asked for or by default. */
export function probeSettings(
  { kind }: ClassifierHead,
  rows: number,
  { epochs, batch }: { readonly epochs?: number | null; readonly batch?: number | null },
): { readonly epochs: number; readonly batch: number } {
  const [usualEpochs, usualBatch] = kind === 'attentive' ? [20, 16] : [100, 64]
  return { epochs: epochs ?? usualEpochs, batch: Math.min(batch ?? usualBatch, rows) }
}

function folded(result: ProbeResult, statistics: Standardization | null): ProbeResult {
  if (statistics === null) return result
  const { weight, bias } = unstandardized(
    { weight: result.state.get('head.weight')!, bias: result.state.get('head.bias')! },
    statistics,
  )
  return { ...result, state: new Map([...result.state, ['head.weight', weight], ['head.bias', bias]]) }
}

/** Whole batches, epoch after epoch, each in its own order; the order depends on (seed, epoch) alone. */
function batches(
  rows: FeatureRows,
  batch: number,
  { classes, seed, smoothing }: { readonly classes: number; readonly seed: number; readonly smoothing: number },
): () => Promise<TrainingBatch> {
  const perEpoch = Math.floor(rows.count / batch)
  let step = 0
  let order: Uint32Array = new Uint32Array(0)
  return async () => {
    const epoch = Math.floor(step / perEpoch)
    const at = step++ % perEpoch
    if (at === 0) order = new RandomStream(seed, epoch, 'probe order').permutation(rows.count)
    const indices = order.subarray(at * batch, (at + 1) * batch)
    const targets = new Float32Array(batch * classes).fill(smoothing / classes)
    indices.forEach((i, b) => {
      targets[b * classes + rows.labels[i]] += 1 - smoothing
    })
    const files = [...indices].map((i) => rows.videos[rows.owners[i]].path)
    return { inputs: { features: takeRows(rows, indices), targets }, epoch, clips: batch, files }
  }
}

/**
 * What the program of a head is built from.
 *
 * @param shape of a row, [D] or [N, D]
 */
export function headShape(head: ClassifierHead, shape: readonly number[]) {
  if (head.kind !== 'attentive') return { head: 'linear' as const, width: shape.reduce((a, b) => a * b, 1) }
  const [tokens, perToken] = shape
  return { head: 'attentive' as const, tokens, width: perToken, heads: head.heads, mlpWidth: head.mlpWidth }
}

/** Logits of all rows, [rows, classes], from a head program that only evaluates. */
async function headLogits(session: EngineSession, program: string, rows: FeatureRows, batch: number, classes: number) {
  const logits = new Float32Array(rows.count * classes)
  const targets = new Float32Array(batch * classes)
  for (let from = 0; from < rows.count; from += batch) {
    const here = Math.min(batch, rows.count - from)
    const features = new Float32Array(batch * rows.width)
    for (let i = 0; i < here; i++) features.set(rows.row(from + i), i * rows.width)
    const out = await session.run(program, { features, targets })
    logits.set(out.logits.subarray(0, here * classes), from * classes)
  }
  return logits
}

async function scoresOf(session: EngineSession, program: string, rows: FeatureRows, batch: number, classes: number) {
  const logits = await headLogits(session, program, rows, batch, classes)
  const merged = mergeViews(rows, (i) => logits.subarray(i * classes, (i + 1) * classes), classes)
  return accuracyOf(rows, merged)
}

/** Probabilities of every video of cached features under a trained head, merged over its rows. */
export async function probeProbabilities(
  rows: FeatureRows,
  state: ModelState,
  options: Pick<ProbeOptions, 'head' | 'classes' | 'engine' | 'threads' | 'device'>,
): Promise<Float64Array[]> {
  const { head, classes } = options
  const batch = Math.min(16, rows.count)
  const shape = headShape(head, rows.shape)
  const { programs, step, parameters } = buildHeadProgram({ ...shape, batch, classes, optimizer: null })
  const engine = await chooseEngine(options.engine ?? null, options)
  const session = await engine.open(programs, { threads: options.threads, device: options.device })
  try {
    await session.writeState(new Map([...parameters.keys()].map((name) => [name, state.get(name)!])))
    const logits = await headLogits(session, step, rows, batch, classes)
    return mergeViews(rows, (i) => logits.subarray(i * classes, (i + 1) * classes), classes)
  } finally {
    await session.close()
  }
}
