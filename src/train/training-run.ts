import { VideoMaeError } from '../core/errors.ts'
import { Ranks } from '../distributed/ranks.ts'
import { loadCheckpointDirectory } from '../model/load-checkpoint.ts'
import type { ModelState } from '../model/model-state.ts'
import { stateNames, type TrainingPrograms } from '../model/training-programs.ts'
import { type FoundCheckpoint, findCheckpoint, readOptimizerState } from './checkpoint.ts'
import { runTraining, type StepPrograms, type StepRecord } from './loop.ts'
import type { MetricsLine } from './metrics.ts'
import { openOnRanks, type RunProgress, spreadState, stepAgreement, trainBeside } from './rank-run.ts'
import { RunDirectory } from './run-directory.ts'
import { lockRun, type RunLock } from './run-lock.ts'
import { RunRecords } from './run-records.ts'
import { formatDifference, requireSameRun } from './same-run.ts'
import type { Schedule } from './schedule.ts'
import {
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

/** The folder of a run and the checkpoint that it continues from, or the folder made ready for a run that begins. */
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
  const { steps, schedule } = job
  const opened = await openOnRanks(job, ranks, found?.state.engine ?? null)
  const { session, training } = opened
  const identity = { engine: session.engine, engineVariant: session.variant ?? undefined, ...job.identity }
  const [done, knownBad] = [found?.state.step ?? 0, found?.state.badFiles ?? []]
  const records = new RunRecords(job, opened, directory, { identity, onNote: options.onNote, before: found })
  let close = (): Promise<void> => session.close()
  try {
    await ranks.agree(async () => records.open(await rewindTo(job, options, { directory, found }, identity)))
    await ranks.fromFirst<RunProgress>({ done, knownBad })
    // Not kept in a variable: these may be gigabytes.
    await spreadState(
      session,
      ranks,
      await ranks.agree(() => (found === null ? startingState(job, training) : savedState(found))),
    )
    const { loader, next } = job.openData({ done, knownBad, onBadFile: (file) => records.addBadFile(file) })
    close = async () => {
      await loader.close()
      await session.close()
    }
    const show: ShowScalars = (step, scalars) => records.show(step, scalars)
    await ranks.agree(() => job.onBegin?.(directory, done))
    await job.onStarted?.(done, opened, show)
    await runTraining({
      session,
      programs: opened.programs,
      precision: opened.precision,
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
        const metrics = await records.addStep(record)
        options.onProgress?.({ ...record, steps, badFiles: loader.stats().badFiles, metrics })
        await job.afterStep?.(record.step, opened, show)
      },
      async save(step) {
        await job.beforeSave?.()
        await ranks.agree(() => records.save(step, loader.badFiles()))
      },
    })
    await records.written()
    return {
      ...{ run: directory.path, engine: session.engine, steps, badFiles: loader.badFiles() },
      ...records.summary(),
    }
  } finally {
    await close()
    await records.close()
  }
}

/**
 * Makes the folder what it was after the step of the checkpoint that the run continues from, and says what differs from then.
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

const startingAgain = 'No checkpoint yet; starting from step 0.'

function tooShort(done: number, steps: number): VideoMaeError {
  return new VideoMaeError(
    `Expected a run of at least ${done} steps, which are already done, but its length is ${steps}.`,
    {
      code: 'RESUME_MISMATCH',
      exit: 'usage',
      hint: 'Set a longer schedule.duration, or use the checkpoint without more training.',
    },
  )
}

/** What another length of the run does to the learning rate. */
function newRate(done: number, schedule: Schedule, last: MetricsLine | undefined): string {
  const before = last === undefined ? '' : `, after ${last.learningRate.toExponential(2)} at step ${last.step}`
  return `The learning rate follows the new length from step ${done + 1}: ${schedule(done).learningRate.toExponential(2)} at that step${before}.`
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
    for (const name of training.trained) state.set(stateNames.ema(name), state.get(name)!)
  }
  return state
}

/** Weights, moments and averages of a checkpoint by the names of their state. */
async function savedState({ path }: FoundCheckpoint): Promise<Map<string, Float32Array>> {
  const { state } = await loadCheckpointDirectory(path)
  return new Map([...state, ...(await readOptimizerState(path))])
}
