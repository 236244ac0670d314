import { VideoMaeError } from '../core/errors.ts'
import { Ranks } from '../distributed/ranks.ts'
import { firstNonFinite } from '../format/finite.ts'
import type { SafetensorsTensor } from '../format/safetensors.ts'
import { openTensorboard, type TensorboardWriter } from '../format/tensorboard.ts'
import { loadCheckpointDirectory } from '../model/load-checkpoint.ts'
import type { ModelState } from '../model/model-state.ts'
import { stateNames, type TrainingPrograms } from '../model/training-programs.ts'
import { type FoundCheckpoint, findCheckpoint, readOptimizerState, saveCheckpoint } from './checkpoint.ts'
import { runTraining, type StepPrograms, type StepRecord } from './loop.ts'
import { Metrics, type MetricsLine } from './metrics.ts'
import { openOnRanks, type RunProgress, spreadState, stepAgreement, trainBeside } from './rank-run.ts'
import { RunDirectory } from './run-directory.ts'
import { lockRun, type RunLock } from './run-lock.ts'
import { formatDifference, requireSameRun } from './same-run.ts'
import type { Schedule } from './schedule.ts'
import {
  type OpenedTraining,
  type RunOptions,
  type ShowScalars,
  stepInputs,
  type TrainingJob,
  type TrainingRunResult,
} from './training-job.ts'

export type {
  DataProgress,
  OpenedTraining,
  RunOptions,
  ShowScalars,
  TrainingData,
  TrainingJob,
  TrainingRunResult,
} from './training-job.ts'
export { stepInputs } from './training-job.ts'

/**
 * Runs a job from its first step, or from its newest checkpoint, to its last, in a folder.
 *
 * @throws VideoMaeError `RUN_LOCKED`, `RUN_EXISTS`, `RUN_FOLDER`, `RESUME_MISMATCH`, `CHECKPOINT_DAMAGED`, `HISTORY_UNREADABLE`,
 *   `NON_FINITE`, `INTERRUPTED`, and what the data and the engine throw
 */
export async function trainInDirectory(job: TrainingJob, options: RunOptions): Promise<TrainingRunResult> {
  const ranks = options.ranks ?? Ranks.alone()
  if (ranks.rank > 0) return trainBeside(job, options, ranks)
  let lock = options.lock ?? null
  try {
    const run = await ranks.agree(async () => {
      lock ??= await lockRun(options.out, options.onNote)
      return findRun(options)
    })
    return await trainLocked(job, options, ranks, run)
  } finally {
    if (options.lock === undefined) await (lock as RunLock | null)?.release()
  }
}

/** The folder of a run and the checkpoint that it goes on from, or the folder made ready for a run that begins. */
async function findRun({ out, resume, onNote }: RunOptions) {
  const directory = new RunDirectory(out)
  await directory.recover()
  const found = resume === true ? await findCheckpoint(directory, onNote) : null
  // Without a checkpoint the run begins here, asked to resume or not: the folder may be anyone's.
  if (found === null) await directory.begin()
  else await directory.checkHistory()
  return { directory, found }
}

async function trainLocked(
  job: TrainingJob,
  options: RunOptions,
  ranks: Ranks,
  { directory, found }: Awaited<ReturnType<typeof findRun>>,
): Promise<TrainingRunResult> {
  const note = options.onNote ?? (() => {})
  const { steps, schedule } = job
  const opened = await openOnRanks(job, ranks, found?.state.engine ?? null)
  const { session, training } = opened
  const identity = { engine: session.engine, engineVariant: session.variant ?? undefined, ...job.identity }
  // Of the type that it has behind the calls that open it.
  let tensorboard = null as TensorboardWriter | null
  let close = (): Promise<void> => session.close()
  try {
    const done = found?.state.step ?? 0
    const kept = await ranks.agree(async () => {
      const kept = await rewindTo(job, options, { directory, found }, identity)
      if (job.tensorboard) tensorboard = await openTensorboard(directory.events, { firstStep: done + 1 })
      return kept
    })
    await ranks.fromFirst<RunProgress>({ done, knownBad: found?.state.badFiles ?? [] })
    // Not kept in a variable: these may be gigabytes.
    await spreadState(
      session,
      ranks,
      await ranks.agree(() => (found === null ? startingState(job, training) : savedState(found))),
    )

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
    await ranks.agree(() => job.onBegin?.(directory, done))
    await job.onStarted?.(done, opened, show)

    const save = async (step: number): Promise<void> => {
      await written
      await directory.flushHistory()
      await tensorboard?.flush()
      const state = { step, seed: job.seed, ...identity, badFiles: loader.badFiles(), metrics: metrics.state }
      checkpoint = await saveState(job, opened, directory, state)
      note(`Saved ${checkpoint}`)
    }

    await runTraining({
      session,
      programs: opened.programs,
      steps,
      done,
      nextBatch: next,
      stepInputs: stepInputs(schedule, job.ema),
      accumulateInputs: opened.accumulateInputs,
      saveEvery: job.checkpointSteps,
      signal: options.signal,
      ...(ranks.size === 1 && options.saveWanted !== undefined && { saveWanted: options.saveWanted }),
      ranks: stepAgreement(ranks),
      async onStep(record: StepRecord) {
        metrics.add(record)
        let line: MetricsLine | null = null
        if (record.step % job.logSteps === 0 || record.step === steps) {
          line = await lineOf(metrics, record.step, job, session)
          lastLine = line
          await directory.appendMetrics(line, job.csv)
          await tensorboard?.write(events(line))
        }
        options.onProgress?.({ ...record, steps, badFiles: loader.stats().badFiles, metrics: line })
        await job.afterStep?.(record.step, opened, show)
      },
      async save(step) {
        await job.beforeSave?.()
        await ranks.agree(() => save(step))
      },
    })
    await written
    return {
      ...{ run: directory.path, checkpoint, engine: session.engine, steps, badFiles: loader.badFiles() },
      loss: (lastLine as MetricsLine | null)?.loss ?? null,
      ...measuredBy(metrics),
    }
  } finally {
    await close()
    await tensorboard?.close()
  }
}

/**
 * Makes the folder what it was after the step of the checkpoint that the run goes on from, and says what differs from then.
 *
 * @returns the lines of metrics until that step
 */
async function rewindTo(
  job: TrainingJob,
  { resume, newLength, onNote: note = () => {} }: RunOptions,
  { directory, found }: Awaited<ReturnType<typeof findRun>>,
  identity: Parameters<typeof requireSameRun>[1] & { readonly engine: string },
): Promise<readonly MetricsLine[]> {
  const done = found?.state.step ?? 0
  const changes = found === null ? [] : requireSameRun(found.state, identity, newLength)
  if (found !== null && done > job.steps) throw tooShort(done, job.steps)
  await directory.writeConfiguration({ ...job.description, engineUsed: identity.engine })
  for (const aside of await directory.setAsideAfter(done)) note(`Moved a damaged checkpoint aside: ${aside}`)
  const kept = await directory.rewind(done, found?.state.badFiles ?? [], job.csv)
  if (resume === true) note(found === null ? startingAgain : `Resuming after step ${done} from ${found.path}.`)
  for (const change of changes) note(`Resuming with another value: ${formatDifference(change)}`)
  if (changes.some(({ key }) => key.startsWith('schedule.')) && done < job.steps)
    note(newRate(done, job.schedule, kept.at(-1)))
  return kept
}

/** Writes a checkpoint. @returns its path */
async function saveState(
  job: TrainingJob,
  opened: OpenedTraining,
  directory: RunDirectory,
  state: Parameters<typeof saveCheckpoint>[1]['state'],
): Promise<string> {
  const { weights, optimizer, averages } = await readTrainedState(opened, state.step, job.ema !== null)
  const writeModel = (folder: string) => job.writeModel(folder, weights, averages)
  return saveCheckpoint(directory, { writeModel, optimizer, state }, job.keep)
}

/** The line of metrics after a step. */
async function lineOf(
  metrics: Metrics,
  step: number,
  { schedule, stepsPerEpoch }: Pick<TrainingJob, 'schedule' | 'stepsPerEpoch'>,
  session: OpenedTraining['session'],
): Promise<MetricsLine> {
  const { state, workspace } = await session.memory()
  const memory = process.resourceUsage().maxRSS * 1024
  return metrics.line(step, { scheduled: schedule(step - 1), stepsPerEpoch, memory, engineMemory: state + workspace })
}

/** What a run returns of its metrics. */
function measuredBy(metrics: Metrics): Pick<TrainingRunResult, 'meanLoss' | 'clips' | 'seconds' | 'clipsPerSecond'> {
  const { clips, seconds } = metrics.state.totals
  return { meanLoss: metrics.meanLoss, clips, seconds, clipsPerSecond: metrics.clipsPerSecond }
}

const startingAgain = 'No checkpoint yet; starting from step 0.'

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

/** What the loop runs for a step: one program, or `runs` accumulating runs and one that applies. */
export function stepPrograms(training: TrainingPrograms, runs: number): StepPrograms {
  return training.apply === null
    ? { kind: 'whole', train: training.step }
    : { kind: 'accumulated', accumulate: training.step, apply: training.apply, runs }
}

/** Weights to start from, and averages as copies of them. */
function startingState(job: TrainingJob, training: TrainingPrograms): ModelState {
  const state = new Map(job.startingState(training))
  if (job.ema !== null) {
    for (const name of training.trained) state.set(stateNames.average(name), state.get(name)!)
  }
  return state
}

/** Weights, moments and averages of a checkpoint by the names of their state. */
async function savedState({ path }: FoundCheckpoint): Promise<Map<string, Float32Array>> {
  const { state } = await loadCheckpointDirectory(path)
  return new Map([...state, ...(await readOptimizerState(path))])
}

/** What a checkpoint needs of the engine: weights, and moments and averages by the names of their state. */
async function readTrainedState(
  { session, training }: OpenedTraining,
  step: number,
  averaged: boolean,
): Promise<{ weights: ModelState; optimizer: Map<string, SafetensorsTensor>; averages: ModelState | null }> {
  const kinds = [stateNames.firstMoment, stateNames.secondMoment, ...(averaged ? [stateNames.average] : [])]
  const owners = new Map(kinds.flatMap((nameOf) => training.trained.map((parameter) => [nameOf(parameter), parameter])))
  const state = await session.readState([...training.parameters.keys(), ...owners.keys()])
  for (const [name, values] of state) requireFiniteState(step, name, values)
  const optimizer = new Map<string, SafetensorsTensor>()
  for (const [name, parameter] of owners) {
    optimizer.set(name, { shape: training.parameters.get(parameter)!, data: state.get(name)! })
  }
  if (!averaged) return { weights: state, optimizer, averages: null }
  const averages = new Map(
    [...training.parameters.keys()].map((name) => [name, state.get(stateNames.average(name)) ?? state.get(name)!]),
  )
  return { weights: state, optimizer, averages }
}

/** An update can leave the range of floats although its loss and its gradient were finite. Nobody could use such a checkpoint. */
function requireFiniteState(step: number, name: string, values: Float32Array): void {
  const index = firstNonFinite(values)
  if (index < 0) return
  throw new VideoMaeError(
    `Expected finite values in ${name} after step ${step}, but value ${index} of ${values.length} is ${values[index]}. Nothing is saved.`,
    {
      code: 'NON_FINITE',
      exit: 'nonFinite',
      hint: 'Start again, or from an earlier checkpoint (model.from), with a lower optimizer.baseLearningRate.',
    },
  )
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
