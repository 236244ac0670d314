import { VideoMaeError } from '../core/errors.ts'
import type { EngineSession, RunInputs } from '../engine/engine.ts'
import type { SafetensorsTensor } from '../format/safetensors.ts'
import { openTensorboard, type TensorboardWriter } from '../format/tensorboard.ts'
import { loadCheckpointDirectory } from '../model/load-checkpoint.ts'
import type { ModelState } from '../model/model-state.ts'
import { stateNames, type TrainingPrograms } from '../model/training-programs.ts'
import type { BadFile } from '../video/epoch-order.ts'
import type { Loader } from '../video/loader.ts'
import {
  type FoundCheckpoint,
  findCheckpoint,
  readOptimiserState,
  saveCheckpoint,
  type TrainerState,
} from './checkpoint.ts'
import { runTraining, type StepPrograms, type StepRecord, type TrainingBatch } from './loop.ts'
import { Metrics, type MetricsLine } from './metrics.ts'
import type { TrainingProgress } from './progress.ts'
import { RunDirectory } from './run-directory.ts'
import { lockRun, type RunLock } from './run-lock.ts'
import type { RunStart } from './run-start.ts'
import { formatDifference, requireSameRun } from './same-run.ts'
import type { Schedule } from './schedule.ts'

/** What a caller decides about any run. */
export interface RunOptions {
  /** Folder of the run. */
  readonly out: string
  /** Continue the run in that folder from its newest whole checkpoint; from its start where it has none. Default false. */
  readonly resume?: boolean
  /** Resuming, accept another `schedule.duration`: the learning rate follows the new length from there on. Default false. */
  readonly newLength?: boolean
  /** The lock of that folder, where the caller holds it already. Default: it is taken for the run. */
  readonly lock?: RunLock
  /** Stops, saves the last whole step, and rejects with `INTERRUPTED`. The step in progress is canceled where the engine can do that. */
  readonly signal?: AbortSignal
  /** Called once it is known what the run is, before anything big is allocated. */
  readonly onStart?: (start: RunStart) => void
  /** Start although the memory that is available does not seem to suffice. Default false. */
  readonly force?: boolean
  /** Called after every step. */
  readonly onProgress?: (progress: TrainingProgress) => void
  /** Called for what a user should know as it happens, one line each: unreadable files, checkpoints, resuming. */
  readonly onNote?: (note: string) => void
}

/** An engine with the programs of a run, and what the loop has to know of them. */
export interface OpenedTraining {
  readonly session: EngineSession
  readonly training: TrainingPrograms
  readonly programs: StepPrograms
  readonly accumulateInputs: RunInputs
}

export interface TrainingData {
  readonly loader: Pick<Loader, 'badFiles' | 'stats' | 'close'>
  readonly next: () => Promise<TrainingBatch>
}

/** Where data goes on: the same whether or not the run was interrupted there. */
export interface DataPlace {
  /** Optimiser steps done. */
  readonly done: number
  readonly knownBad: readonly BadFile[]
  readonly onBadFile: (file: BadFile) => void
}

/** Writes further numbers of a step for TensorBoard, by their tags, where the run has event files. */
export type ShowScalars = (step: number, scalars: Readonly<Record<string, number>>) => Promise<void>

/** A run that is kept in a folder: whatever is trained, the folder, the metrics and the checkpoints are the same. */
export interface TrainingJob {
  readonly seed: number
  /** What a resumed run must have in common with its checkpoint. */
  readonly identity: Pick<TrainerState, 'configuration' | 'data'>
  /** `config.json` of the run. */
  readonly description: Readonly<Record<string, unknown>>
  readonly steps: number
  readonly stepsPerEpoch: number
  readonly checkpointSteps: number
  readonly logSteps: number
  readonly schedule: Schedule
  /** Decay of the moving average of the weights; null where there is none. */
  readonly average: number | null
  /** Checkpoints that stay. */
  readonly keep: number
  readonly tensorboard: boolean
  /** @param usedBefore the engine of the checkpoint that the run is resumed from, or null */
  readonly open: (usedBefore: string | null) => Promise<OpenedTraining>
  /** Weights of a run that begins; averages follow from them. */
  readonly startingState: (training: TrainingPrograms) => ModelState
  readonly openData: (place: DataPlace) => TrainingData
  /** Writes the model, and its averages where there are any, in the Hugging Face layout. */
  readonly writeModel: (directory: string, weights: ModelState, averages: ModelState | null) => Promise<void>
  /** Called once before the first step, with the steps done and the opened run. */
  readonly onBegin?: (directory: RunDirectory, done: number, opened: OpenedTraining, show: ShowScalars) => Promise<void>
  /** Called after every step and its line of metrics, before a checkpoint is written. */
  readonly afterStep?: (step: number, opened: OpenedTraining, show: ShowScalars) => Promise<void>
}

export interface TrainingRunResult {
  /** Folder of the run, and its last checkpoint. */
  readonly run: string
  readonly checkpoint: string
  readonly engine: string
  readonly steps: number
  /** Mean loss of the last line of metrics; null where there is none. */
  readonly loss: number | null
  /** Of pretraining: the loss of predicting the mean, over the whole run; null where it is not known. */
  readonly meanLoss: number | null
  /** Clips shown to the model, repeats included, and seconds of training, over all parts of the run. */
  readonly clips: number
  readonly seconds: number
  /** Without the first two steps of each part, in which the engine warms up; null where there are no others. */
  readonly clipsPerSecond: number | null
  readonly badFiles: readonly BadFile[]
}

/**
 * Runs a job from its first step, or from its newest checkpoint, to its last, in a folder.
 *
 * @throws VideoMaeError `RUN_LOCKED`, `RUN_EXISTS`, `RUN_FOLDER`, `RESUME_MISMATCH`, `CHECKPOINT_DAMAGED`, `HISTORY_UNREADABLE`,
 *   `NON_FINITE`, `INTERRUPTED`, and what the data and the engine throw
 */
export async function trainInDirectory(job: TrainingJob, options: RunOptions): Promise<TrainingRunResult> {
  const lock = options.lock ?? (await lockRun(options.out, options.onNote))
  try {
    return await trainLocked(job, options)
  } finally {
    if (options.lock === undefined) await lock.release()
  }
}

async function trainLocked(job: TrainingJob, options: RunOptions): Promise<TrainingRunResult> {
  const note = options.onNote ?? (() => {})
  const { steps, schedule } = job
  const directory = new RunDirectory(options.out)
  await directory.recover()
  const found = options.resume === true ? await findCheckpoint(directory, note) : null
  // Without a checkpoint the run begins here, asked to resume or not: the folder may be anyone's.
  if (found === null) await directory.begin()
  else await directory.checkHistory()

  const opened = await job.open(found?.state.engine ?? null)
  const { session, training } = opened
  const identity = { engine: session.engine, engineVariant: session.variant ?? undefined, ...job.identity }
  let tensorboard: TensorboardWriter | null = null
  let close = (): Promise<void> => session.close()
  try {
    const changes = found === null ? [] : requireSameRun(found.state, identity, options.newLength)
    if (found !== null && found.state.step > steps) throw tooShort(found.state.step, steps)
    await directory.writeConfiguration({ ...job.description, engineUsed: session.engine })
    const done = found?.state.step ?? 0
    for (const aside of await directory.setAsideAfter(done)) note(`Moved a damaged checkpoint aside: ${aside}`)
    const kept = await directory.rewind(done, found?.state.badFiles ?? [])
    if (job.tensorboard) tensorboard = await openTensorboard(directory.events, { firstStep: done + 1 })
    if (options.resume === true)
      note(
        found === null ? 'No checkpoint yet; starting from step 0.' : `Resuming after step ${done} from ${found.path}.`,
      )
    for (const change of changes) note(`Resuming with another value: ${formatDifference(change)}`)
    if (changes.some(({ key }) => key.startsWith('schedule.')) && done < steps)
      note(newRate(done, schedule, kept.at(-1)))
    await session.writeState(found === null ? startingState(job, training) : await savedState(found))

    let written: Promise<void> = Promise.resolve()
    const { loader, next } = job.openData({
      done,
      knownBad: found?.state.badFiles ?? [],
      onBadFile(file) {
        note(`Skipping an unreadable video: ${file.reason}`)
        written = written.then(() => directory.appendBadFile(file))
        written.catch(() => {}) // awaited when the run is saved; until then it must not count as unhandled
      },
    })
    close = async () => {
      await loader.close()
      await session.close()
    }
    const metrics = new Metrics(found?.state.metrics)
    let lastLine: MetricsLine | null = kept.at(-1) ?? null
    let checkpoint = found?.path ?? ''
    const show: ShowScalars = async (step, scalars) => tensorboard?.write({ step, scalars })
    await job.onBegin?.(directory, done, opened, show)

    await runTraining({
      session,
      programs: opened.programs,
      steps,
      done,
      nextBatch: next,
      stepInputs: stepInputs(schedule, job.average),
      accumulateInputs: opened.accumulateInputs,
      saveEvery: job.checkpointSteps,
      signal: options.signal,
      async onStep(record: StepRecord) {
        metrics.add(record)
        let line: MetricsLine | null = null
        if (record.step % job.logSteps === 0 || record.step === steps) {
          const { state, workspace } = await session.memory()
          line = metrics.line(record.step, {
            scheduled: schedule(record.step - 1),
            stepsPerEpoch: job.stepsPerEpoch,
            memory: process.resourceUsage().maxRSS * 1024,
            engineMemory: state + workspace,
          })
          lastLine = line
          await directory.appendMetrics(line)
          await tensorboard?.write(events(line))
        }
        options.onProgress?.({ ...record, steps, badFiles: loader.stats().badFiles, metrics: line })
        await job.afterStep?.(record.step, opened, show)
      },
      async save(step) {
        await written
        await directory.flushHistory()
        await tensorboard?.flush()
        const { weights, optimiser, averages } = await readTrainedState(opened, job.average !== null)
        const state = { step, seed: job.seed, ...identity, badFiles: loader.badFiles(), metrics: metrics.state }
        checkpoint = await saveCheckpoint(
          directory,
          { writeModel: (folder) => job.writeModel(folder, weights, averages), optimiser, state },
          job.keep,
        )
        note(`Saved ${checkpoint}`)
      },
    })
    await written
    const { clips, seconds } = metrics.state.totals
    return {
      run: directory.path,
      checkpoint,
      engine: session.engine,
      steps,
      loss: lastLine === null ? null : (lastLine as MetricsLine).loss,
      meanLoss: metrics.meanLoss,
      clips,
      seconds,
      clipsPerSecond: metrics.clipsPerSecond,
      badFiles: loader.badFiles(),
    }
  } finally {
    await close()
    await tensorboard?.close()
  }
}

function tooShort(done: number, steps: number): VideoMaeError {
  return new VideoMaeError(`Expected a run of at least the ${done} steps that are done, but it is to have ${steps}.`, {
    code: 'RESUME_MISMATCH',
    exit: 'usage',
    hint: 'Give a longer schedule.duration, or take the checkpoint as it is.',
  })
}

/** What another length of the run does to the learning rate. */
function newRate(done: number, schedule: Schedule, last: MetricsLine | undefined): string {
  const before = last === undefined ? '' : `, after ${last.learningRate.toExponential(2)} at step ${last.step}`
  return `The learning rate is that of the new length from step ${done + 1} on: ${schedule(done).learningRate.toExponential(2)} there${before}.`
}

/** Scalar inputs of the optimiser at each step. */
export function stepInputs(schedule: Schedule, averageDecay: number | null): (step: number) => RunInputs {
  return (step) => {
    const { learningRate, weightDecay } = schedule(step)
    const inputs = {
      learningRate: Float32Array.of(learningRate),
      weightDecay: Float32Array.of(weightDecay),
      step: Float32Array.of(step + 1),
    }
    return averageDecay === null ? inputs : { ...inputs, averageDecay: Float32Array.of(averageDecay) }
  }
}

/** What the loop runs for a step: one program, or `runs` accumulating runs and one that applies. */
export function stepPrograms(training: TrainingPrograms, runs: number): StepPrograms {
  return training.apply === null
    ? { kind: 'whole', train: training.step }
    : { kind: 'accumulated', accumulate: training.step, apply: training.apply, runs }
}

/** Weights to start from, and averages as copies of them. */
function startingState(job: TrainingJob, training: TrainingPrograms): ModelState {
  const state = new Map(job.startingState(training))
  if (job.average !== null) {
    for (const name of training.trained) state.set(stateNames.average(name), state.get(name)!)
  }
  return state
}

/** Weights, moments and averages of a checkpoint by the names of their state. */
async function savedState({ path }: FoundCheckpoint): Promise<Map<string, Float32Array>> {
  const { state } = await loadCheckpointDirectory(path)
  return new Map([...state, ...(await readOptimiserState(path))])
}

/** What a checkpoint needs of the engine: weights, and moments and averages by the names of their state. */
async function readTrainedState(
  { session, training }: OpenedTraining,
  averaged: boolean,
): Promise<{ weights: ModelState; optimiser: Map<string, SafetensorsTensor>; averages: ModelState | null }> {
  const kinds = [stateNames.firstMoment, stateNames.secondMoment, ...(averaged ? [stateNames.average] : [])]
  const owners = new Map(kinds.flatMap((nameOf) => training.trained.map((parameter) => [nameOf(parameter), parameter])))
  const state = await session.readState([...training.parameters.keys(), ...owners.keys()])
  const optimiser = new Map<string, SafetensorsTensor>()
  for (const [name, parameter] of owners) {
    optimiser.set(name, { shape: training.parameters.get(parameter)!, data: state.get(name)! })
  }
  if (!averaged) return { weights: state, optimiser, averages: null }
  const averages = new Map(
    [...training.parameters.keys()].map((name) => [name, state.get(stateNames.average(name)) ?? state.get(name)!]),
  )
  return { weights: state, optimiser, averages }
}

function events(line: MetricsLine) {
  const { step, epoch, loss, meanLoss, learningRate, weightDecay, gradientNorm, clipsPerSecond, dataWait, memory } =
    line
  return {
    step,
    scalars: {
      'train/loss': loss,
      ...(meanLoss !== undefined && { 'train/mean_loss': meanLoss }),
      'train/learning_rate': learningRate,
      'train/weight_decay': weightDecay,
      'train/gradient_norm': gradientNorm,
      'train/epoch': epoch,
      ...(clipsPerSecond !== null && { 'speed/clips_per_second': clipsPerSecond }),
      'speed/data_wait': dataWait,
      'speed/memory_bytes': memory,
    },
  }
}
