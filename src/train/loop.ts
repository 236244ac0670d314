import { VideoMaeError } from '../core/errors.ts'
import type { EngineSession, Precision, RunInputs, RunOutputs } from '../engine/engine.ts'
import { nonFiniteHint } from './non-finite-hint.ts'

/** What one run of the engine is fed, and where it came from. */
export interface TrainingBatch {
  readonly inputs: RunInputs
  /** Epoch the batch belongs to, from 0. */
  readonly epoch: number
  /** Clips of the batch. */
  readonly clips: number
  /** Files of the batch, for the message when its loss is not finite. */
  readonly files: readonly string[]
  /** The loss of predicting the mean on a clip of the batch, where it is known: see `meanPredictionLoss`. */
  readonly meanLoss?: number
  /** Called when the engine has read the inputs: their memory may hold a later batch from then on. */
  readonly release?: () => void
}

/**
 * How one optimizer step is run: one program that does everything, or `runs` times a program that adds its gradients to
 * accumulators and then one that applies them (and sets them to zero). A program that trains returns `loss`; the one
 * that holds the optimizer returns `gradientNorm`.
 */
export type StepPrograms =
  | { readonly kind: 'whole'; readonly train: string }
  | { readonly kind: 'accumulated'; readonly accumulate: string; readonly apply: string; readonly runs: number }

export interface StepRecord {
  /** Optimizer steps done, 1 for the first. */
  readonly step: number
  readonly epoch: number
  /** Mean over the clips of the step. */
  readonly loss: number
  /** The loss of predicting the mean on some clips of the step, where it is known. */
  readonly meanLoss?: number
  /** Norm of all gradients before clipping. */
  readonly gradientNorm: number
  readonly clips: number
  /** Wall time of the step, and how much of it went by waiting for data. */
  readonly seconds: number
  readonly waitSeconds: number
}

/** What the ranks of a distributed run decide together, each method at the same point of every rank's loop. */
export interface StepAgreement {
  readonly size: number
  /** Whether any rank is to stop. */
  stop(wanted: boolean): Promise<boolean>
  /**
   * The mean of the losses of all ranks.
   *
   * @param gradientNorm the same on all ranks, for the gradients were averaged
   * @throws VideoMaeError `RANKS_DIVERGED` where it is not
   */
  meanLoss(loss: number, gradientNorm: number): Promise<number>
  /** The lists of all ranks, one behind the other. */
  collect(files: readonly string[]): Promise<readonly string[]>
  /** Says of an error that every rank throws it. */
  commonly(error: VideoMaeError): VideoMaeError
}

export interface TrainingOptions {
  readonly session: EngineSession
  /** That the session computes in; absent: float32. */
  readonly precision?: Precision
  readonly programs: StepPrograms
  /** Optimizer steps of the whole training, and how many of them are done already. */
  readonly steps: number
  readonly done: number
  /** The next batch, in order; called again while the engine still runs on the one before. */
  readonly nextBatch: () => Promise<TrainingBatch>
  /** Scalar inputs of the optimizer's program at step 0, 1, ... */
  readonly stepInputs: (step: number) => RunInputs
  /** Further scalar inputs of the accumulating program, e.g. the weight of one run. */
  readonly accumulateInputs?: RunInputs
  /** Called after every step, before the next one begins. */
  readonly onStep: (record: StepRecord) => void | Promise<void>
  /** Saves the state after `step` steps. */
  readonly save: (step: number) => Promise<void>
  /** Steps from one `save` to the next; the last step and an interruption save too. */
  readonly saveEvery: number
  /** Asked after every step: true saves its state at once. Not with ranks, which save at the same steps. */
  readonly saveWanted?: () => boolean
  /** The other ranks. Batches are then asked for when the engine is idle, because their decisions are taken together. */
  readonly ranks?: StepAgreement
  /** Stops the training: cancels the run in progress, or waits for it where the engine cannot; the state of the last whole step is saved. */
  readonly signal?: AbortSignal
}

/**
 * The training loop, for whatever is trained. The next batch is prepared while the engine runs.
 *
 * @throws VideoMaeError `NON_FINITE` (nothing is saved; the last checkpoint is), `INTERRUPTED` after saving, and what
 *   the engine, the data and `save` throw
 */
export async function runTraining(options: TrainingOptions): Promise<void> {
  const { steps, save, saveEvery, signal, ranks } = options
  const runs = (steps - options.done) * runsPerStep(options.programs)
  // A rank that stops alone would leave the others waiting: with ranks the signal is looked at together, between runs.
  const prefetcher = new BatchPrefetcher(
    options.nextBatch,
    runs,
    ranks === undefined ? signal : undefined,
    ranks === undefined,
  )
  let done = options.done
  let saved = done
  while (done < steps && (ranks !== undefined || signal?.aborted !== true)) {
    const record = await runStep(options, prefetcher, done)
    if (record === null) break
    done = record.step
    await options.onStep(record)
    if (done % saveEvery === 0 || done === steps || options.saveWanted?.() === true) {
      await save(done)
      saved = done
    }
  }
  if (done === steps) return
  if (saved !== done) await save(done)
  const error = interruption(signal?.reason, done, steps)
  throw ranks?.commonly(error) ?? error
}

/**
 * A run during which the batch of the next one is announced to the engine, as soon as it is there: the engine can bring
 * it to its device meanwhile. What is wrong with a batch is reported by its own run.
 */
async function runAnnouncing(
  session: EngineSession,
  program: string,
  inputs: RunInputs,
  upcoming: Promise<TrainingBatch> | null,
): Promise<RunOutputs> {
  let underWay = true
  const running = session.run(program, inputs)
  const announce = async (): Promise<void> => {
    const next = await upcoming
    if (next !== null && underWay) await session.prefetch?.(program, next.inputs)
  }
  announce().catch(() => {})
  try {
    return await running
  } finally {
    underWay = false
  }
}

/** Runs the engine, and asks it to end early once the signal aborts; null where it did, with weights and moments as they were. */
async function unlessCanceled(
  { session, signal, ranks }: Pick<TrainingOptions, 'session' | 'signal' | 'ranks'>,
  run: () => Promise<RunOutputs>,
): Promise<RunOutputs | null> {
  if (ranks !== undefined) return run()
  const cancel = (): void => session.cancel?.()
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    return await run()
  } catch (error) {
    const canceled = error instanceof VideoMaeError && error.code === 'ENGINE_CANCELED'
    if (canceled && signal?.aborted === true) return null
    throw error
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
}

function runsPerStep(programs: StepPrograms): number {
  return programs.kind === 'whole' ? 1 : programs.runs
}

/** One optimizer step; null where the signal stopped it before anything but accumulators had changed. */
async function runStep(
  options: TrainingOptions,
  prefetcher: BatchPrefetcher,
  step: number,
): Promise<StepRecord | null> {
  const { session, programs, signal, ranks } = options
  const began = performance.now()
  const waitedBefore = prefetcher.waited
  const runs = runsPerStep(programs)
  const batches: TrainingBatch[] = []
  let loss = 0
  let gradientNorm = 0
  for (let run = 0; run < runs; run++) {
    if (ranks !== undefined && (await ranks.stop(signal?.aborted === true))) return null
    const batch = await prefetcher.next()
    if (batch === null || (ranks === undefined && signal?.aborted === true)) return null
    batches.push(batch)
    const scalars = programs.kind === 'whole' ? options.stepInputs(step) : options.accumulateInputs
    const program = programs.kind === 'whole' ? programs.train : programs.accumulate
    const inputs = { ...batch.inputs, ...scalars }
    const outputs = await unlessCanceled(options, () => runAnnouncing(session, program, inputs, prefetcher.upcoming))
    if (outputs === null) return null
    batch.release?.()
    const value = outputs.loss[0]
    if (ranks === undefined && !Number.isFinite(value)) throw nonFinite('loss', value, step, [batch], options)
    loss += value / runs
    if (programs.kind === 'whole') gradientNorm = outputs.gradientNorm[0]
  }
  if (programs.kind === 'accumulated') {
    const { apply } = programs
    const outputs = await unlessCanceled(options, () => session.run(apply, options.stepInputs(step)))
    if (outputs === null) return null
    gradientNorm = outputs.gradientNorm[0]
  }
  if (ranks !== undefined) loss = await ranks.meanLoss(loss, gradientNorm)
  const sick = !Number.isFinite(loss) ? 'loss' : !Number.isFinite(gradientNorm) ? 'gradient norm' : null
  if (sick !== null) throw await notFiniteOnRanks(options, sick, sick === 'loss' ? loss : gradientNorm, step, batches)
  const known = batches.flatMap(({ meanLoss }) => (meanLoss === undefined ? [] : [meanLoss]))
  return {
    step: step + 1,
    epoch: batches[0]!.epoch,
    loss,
    ...(known.length > 0 && { meanLoss: known.reduce((sum, value) => sum + value) / known.length }),
    gradientNorm,
    clips: batches.reduce((sum, batch) => sum + batch.clips, 0) * (ranks?.size ?? 1),
    seconds: (performance.now() - began) / 1000,
    waitSeconds: (prefetcher.waited - waitedBefore) / 1000,
  }
}

/** The error of a step that is not finite, with the files of all ranks. */
async function notFiniteOnRanks(
  { ranks, precision }: Pick<TrainingOptions, 'ranks' | 'precision'>,
  what: string,
  value: number,
  step: number,
  batches: readonly TrainingBatch[],
): Promise<VideoMaeError> {
  if (ranks === undefined) return nonFinite(what, value, step, batches, { precision })
  const files = await ranks.collect(batches.flatMap((batch) => batch.files))
  return ranks.commonly(nonFinite(what, value, step, [{ files }], { precision }))
}

/** Hands out batches and always has the next one on its way, up to the number that will be needed. */
class BatchPrefetcher {
  /** Milliseconds that `next` has waited in all. */
  waited = 0
  private readonly nextBatch: () => Promise<TrainingBatch>
  private readonly signal: AbortSignal | undefined
  private readonly ahead: boolean
  private left: number
  /** On its way, or there; null behind the last one. */
  upcoming: Promise<TrainingBatch> | null = null

  /** @param ahead ask for the next batch as soon as one is handed out, not when it is needed */
  constructor(nextBatch: () => Promise<TrainingBatch>, count: number, signal: AbortSignal | undefined, ahead: boolean) {
    this.ahead = ahead
    this.nextBatch = nextBatch
    this.left = count
    this.signal = signal
    if (ahead) this.prefetch()
  }

  /** Null once the signal has stopped the training: a slow file must not hold up the end. */
  async next(): Promise<TrainingBatch | null> {
    if (!this.ahead) this.prefetch()
    const upcoming = this.upcoming!
    const began = performance.now()
    const batch = await unlessAborted(upcoming, this.signal)
    this.waited += performance.now() - began
    if (this.ahead) this.prefetch()
    else this.upcoming = null
    return batch
  }

  private prefetch(): void {
    this.upcoming = null
    if (this.left === 0) return
    this.left--
    this.upcoming = this.nextBatch()
    this.upcoming.catch(() => {}) // `next` reports it; until then it must not count as unhandled
  }
}

/**
 * The value, or null once the signal aborts. Not `Promise.race` with one promise for the signal: that promise would hold
 * on to every value it was ever raced with, one batch of frames per step, until the end of the run.
 */
function unlessAborted<T>(value: Promise<T>, signal: AbortSignal | undefined): Promise<T | null> {
  if (signal === undefined) return value
  if (signal.aborted) return Promise.resolve(null)
  return new Promise((resolve, reject) => {
    const stop = (): void => resolve(null)
    signal.addEventListener('abort', stop, { once: true })
    value.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

function nonFinite(
  what: string,
  value: number,
  step: number,
  batches: readonly Pick<TrainingBatch, 'files'>[],
  { precision }: Pick<TrainingOptions, 'precision'>,
): VideoMaeError {
  const files = [...new Set(batches.flatMap((batch) => batch.files))]
  const shown = files.slice(0, 20).map((file) => `  ${file}`)
  if (files.length > shown.length) shown.push(`  and ${files.length - shown.length} more`)
  return new VideoMaeError(
    `Expected a finite ${what} in step ${step + 1} but it is ${value}. The batch was made of:\n${shown.join('\n')}`,
    {
      code: 'NON_FINITE',
      exit: 'nonFinite',
      hint: nonFiniteHint(
        'The last checkpoint is untouched. Start a new run from it (model.from) with a lower optimizer.baseLearningRate or with optimizer.clipNorm.',
        precision,
      ),
    },
  )
}

function interruption(reason: unknown, done: number, steps: number): VideoMaeError {
  return new VideoMaeError(`Stopped after ${done} of ${steps} steps; all of them are saved.`, {
    code: 'INTERRUPTED',
    exit: 'interrupted',
    hint: 'Continue with --resume.',
    cause: reason,
  })
}
