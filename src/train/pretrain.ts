import { invalidArgument } from '../core/errors.ts'
import { openTensorboard, type TensorboardWriter } from '../format/tensorboard.ts'
import { loadCheckpointDirectory } from '../model/load-checkpoint.ts'
import type { BadFile } from '../video/index.ts'
import {
  type FoundCheckpoint,
  findCheckpoint,
  readOptimiserState,
  requireSameRun,
  saveCheckpoint,
} from './checkpoint.ts'
import type { RunConfiguration } from './configuration.ts'
import { runTraining, type StepRecord } from './loop.ts'
import { Metrics, type MetricsLine } from './metrics.ts'
import { openCheckpoint } from './open-checkpoint.ts'
import { entriesDigest, listSources, openPretrainData } from './pretrain-data.ts'
import { openPretrainSession, readTrainedState, startingState, stepInputs, writeModel } from './pretrain-session.ts'
import type { TrainingProgress } from './progress.ts'
import { plainConfiguration, plainRun, type ResolvedRun, resolveRun } from './resolve.ts'
import { RunDirectory } from './run-directory.ts'
import { createSchedule } from './schedule.ts'

export interface PretrainOptions {
  /** Folder of the run. */
  readonly out: string
  /** Continue the run in that folder from its newest whole checkpoint; from its start where it has none. Default false. */
  readonly resume?: boolean
  /** Stops after the step in progress, saves, and rejects with `INTERRUPTED`. */
  readonly signal?: AbortSignal
  /** Called after every step. */
  readonly onProgress?: (progress: TrainingProgress) => void
  /** Called for what a user should know as it happens, one line each: unreadable files, checkpoints, resuming. */
  readonly onNote?: (note: string) => void
}

export interface PretrainResult {
  /** Folder of the run, and its last checkpoint. */
  readonly run: string
  readonly checkpoint: string
  readonly engine: string
  readonly steps: number
  /** Mean loss of the last line of metrics; null where the run was complete already. */
  readonly loss: number | null
  /** Clips shown to the model, repeats included, and seconds of training, over all parts of the run. */
  readonly clips: number
  readonly seconds: number
  readonly videos: number
  readonly badFiles: readonly BadFile[]
}

/** Everything that is checked and looked up before a run begins; what `--print-config` shows. */
export async function planPretraining(configuration: RunConfiguration): Promise<ResolvedRun> {
  return (await plan(configuration)).run
}

async function plan(configuration: RunConfiguration) {
  const { data, model } = configuration
  const paths = data.path === null ? [] : typeof data.path === 'string' ? [data.path] : data.path
  const entries = paths.length === 0 ? [] : listSources(paths)
  const source = model.from === null ? null : await openCheckpoint(model.from)
  if (source !== null && source.kind !== 'pretrain') {
    throw invalidArgument('model.from', 'a pretraining checkpoint with its decoder', `${model.from} (${source.kind})`)
  }
  const videos = entries.length === 0 ? null : entries.length
  return { entries, source, run: resolveRun(configuration, { videos, source: source?.configuration ?? null }) }
}

/**
 * Pretrains a VideoMAE on videos (Tong et al. 2022): everything that a run is, from files to checkpoints.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, `RUN_EXISTS`, `RESUME_MISMATCH`, `CHECKPOINT_DAMAGED`, `NON_FINITE`,
 *   `INTERRUPTED`, and what listing videos, the loader and the engine throw
 */
export async function pretrain(configuration: RunConfiguration, options: PretrainOptions): Promise<PretrainResult> {
  const note = options.onNote ?? (() => {})
  const { entries, source, run } = await plan(configuration)
  const { steps, warmupSteps, checkpointSteps, logSteps, stepsPerEpoch } = run
  if (
    steps === null ||
    warmupSteps === null ||
    checkpointSteps === null ||
    logSteps === null ||
    stepsPerEpoch === null
  ) {
    throw invalidArgument('data.path', 'a folder, a list or a manifest of videos', configuration.data.path)
  }
  if (steps < 1) throw invalidArgument('schedule.duration', 'at least one step', '0')
  const directory = new RunDirectory(options.out)
  await directory.recover()
  const found = options.resume === true ? await findCheckpoint(directory, note) : null
  if (options.resume !== true) await directory.begin()

  const opened = await openPretrainSession(run)
  const { session, training } = opened
  const identity = {
    engine: session.engine,
    configuration: plainConfiguration(configuration),
    data: { entries: entries.length, digest: entriesDigest(entries) },
  }
  let tensorboard: TensorboardWriter | null = null
  let close = (): Promise<void> => session.close()
  try {
    if (found !== null) requireSameRun(found.state, identity)
    await directory.writeConfiguration({ ...plainRun(run), engineUsed: session.engine })
    const done = found?.state.step ?? 0
    const kept = await directory.rewind(done, found?.state.badFiles ?? [])
    if (configuration.log.tensorboard) {
      tensorboard = await openTensorboard(directory.events)
      for (const line of kept) await tensorboard.write(events(line))
    }
    if (options.resume === true)
      note(
        found === null ? 'No checkpoint yet; starting from step 0.' : `Resuming after step ${done} from ${found.path}.`,
      )
    await session.writeState(
      found === null ? startingState(run, training, source?.state ?? null) : await savedState(found),
    )

    let written: Promise<void> = Promise.resolve()
    const { loader, next } = openPretrainData({
      entries,
      run,
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
    const schedule = createSchedule({
      ...run,
      ...configuration.optimiser,
      weightDecayEnd: run.weightDecayEnd,
      steps,
      warmupSteps,
    })
    const metrics = new Metrics(found?.state.metrics)
    let lastLine: MetricsLine | null = kept.at(-1) ?? null
    let checkpoint = found?.path ?? ''

    await runTraining({
      session,
      programs: opened.programs,
      steps,
      done,
      nextBatch: next,
      stepInputs: stepInputs(schedule, configuration.optimiser.average),
      accumulateInputs: opened.accumulateInputs,
      saveEvery: checkpointSteps,
      signal: options.signal,
      async onStep(record: StepRecord) {
        metrics.add(record)
        let line: MetricsLine | null = null
        if (record.step % logSteps === 0 || record.step === steps) {
          const { state, workspace } = await session.memory()
          line = metrics.line(record.step, {
            scheduled: schedule(record.step - 1),
            stepsPerEpoch,
            memory: process.resourceUsage().maxRSS * 1024,
            engineMemory: state + workspace,
          })
          lastLine = line
          await directory.appendMetrics(line)
          await tensorboard?.write(events(line))
        }
        options.onProgress?.({ ...record, steps, badFiles: loader.stats().badFiles, metrics: line })
      },
      async save(step) {
        await written
        await tensorboard?.flush()
        const averaged = configuration.optimiser.average !== null
        const { weights, optimiser, averages } = await readTrainedState(opened, averaged)
        const state = {
          step,
          seed: configuration.seed,
          ...identity,
          badFiles: loader.badFiles(),
          metrics: metrics.state,
        }
        checkpoint = await saveCheckpoint(
          directory,
          { writeModel: (folder) => writeModel(folder, run, weights, averages), optimiser, state },
          configuration.checkpoint.keep,
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
      clips,
      seconds,
      videos: entries.length,
      badFiles: loader.badFiles(),
    }
  } finally {
    await close()
    await tensorboard?.close()
  }
}

/** Weights, moments and averages of a checkpoint by the names of their state. */
async function savedState({ path }: FoundCheckpoint): Promise<Map<string, Float32Array>> {
  const { state } = await loadCheckpointDirectory(path)
  return new Map([...state, ...(await readOptimiserState(path))])
}

function events(line: MetricsLine) {
  const { step, epoch, loss, learningRate, weightDecay, gradientNorm, clipsPerSecond, dataWait, memory } = line
  return {
    step,
    scalars: {
      'train/loss': loss,
      'train/learning_rate': learningRate,
      'train/weight_decay': weightDecay,
      'train/gradient_norm': gradientNorm,
      'train/epoch': epoch,
      'speed/clips_per_second': clipsPerSecond,
      'speed/data_wait': dataWait,
      'speed/memory_bytes': memory,
    },
  }
}
