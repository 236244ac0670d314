import { invalidArgument } from '../core/errors.ts'
import { readingLines, readVideos, type SourceReading } from '../video/index.ts'
import type { RunConfiguration, RunInput } from './configuration.ts'
import { runConfiguration } from './configuration-file.ts'
import { openCheckpoint } from './open-checkpoint.ts'
import { entriesDigest, openPretrainData } from './pretrain-data.ts'
import { openPretrainSession, startingWeights, writeModel } from './pretrain-session.ts'
import { plainConfiguration, plainRun, type ResolvedRun, resolveRun } from './resolve.ts'
import { createSchedule } from './schedule.ts'
import { TrainingRecord } from './training-manifest.ts'
import { type RunOptions, type TrainingRunResult, trainInDirectory } from './training-run.ts'

export type PretrainOptions = RunOptions

export interface PretrainResult extends TrainingRunResult {
  readonly videos: number
  /** How the data was read. */
  readonly sources: readonly SourceReading[]
}

/**
 * Everything that is checked and looked up before a run begins; what `--print-config` shows. Steps are null where
 * `data.path` is not given.
 *
 * @throws VideoMaeError as `pretrain`, but for what happens in training
 */
export async function planPretraining(configuration: RunInput): Promise<ResolvedRun> {
  return (await plan(runConfiguration(configuration))).run
}

async function plan(configuration: RunConfiguration) {
  const { data, model } = configuration
  const paths = data.path === null ? [] : typeof data.path === 'string' ? [data.path] : data.path
  const { entries, sources } = readVideos(paths)
  const source = model.from === null ? null : await openCheckpoint(model.from)
  if (source !== null && source.kind !== 'pretrain') {
    throw invalidArgument('model.from', 'a pretraining checkpoint with its decoder', `${model.from} (${source.kind})`)
  }
  const videos = entries.length === 0 ? null : entries.length
  return { entries, sources, source, run: resolveRun(configuration, { videos, source: source?.configuration ?? null }) }
}

/**
 * Pretrains a VideoMAE on videos (Tong et al. 2022): everything that a run is, from files to checkpoints.
 *
 * @param input what differs from the defaults, e.g. `{ data: { path: 'videos' }, schedule: { duration: '20 epochs' } }`, or a
 *   configuration that `loadRunConfiguration` read
 * @throws VideoMaeError `CONFIGURATION_INVALID`, `INVALID_ARGUMENT`, `RUN_EXISTS`, `RUN_FOLDER`, `RESUME_MISMATCH`, `CHECKPOINT_DAMAGED`,
 *   `NON_FINITE`, `INTERRUPTED`, and what listing videos, the loader and the engine throw
 */
export async function pretrain(input: RunInput, options: PretrainOptions): Promise<PretrainResult> {
  const configuration = runConfiguration(input)
  const { entries, sources, source, run } = await plan(configuration)
  for (const line of sources.flatMap(readingLines)) options.onNote?.(line)
  for (const warning of source?.warnings ?? []) options.onNote?.(`${configuration.model.from}: ${warning}`)
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
  const { optimiser, checkpoint, log, seed, model } = configuration
  const record = new TrainingRecord({
    files: entries.map((entry) => entry.path),
    labelled: false,
    start: source === null ? null : { from: model.from!, place: source.path, state: source.state },
    signal: options.signal,
    onNote: options.onNote,
  })
  try {
    const result = await trainInDirectory(
      {
        seed,
        identity: {
          configuration: plainConfiguration(configuration),
          data: { entries: entries.length, digest: entriesDigest(entries) },
        },
        description: plainRun(run),
        steps,
        stepsPerEpoch,
        checkpointSteps,
        logSteps,
        schedule: createSchedule({ ...run, ...optimiser, weightDecayEnd: run.weightDecayEnd, steps, warmupSteps }),
        average: optimiser.average,
        keep: checkpoint.keep,
        tensorboard: log.tensorboard,
        open: (usedBefore) => openPretrainSession(run, usedBefore),
        startingState: (training) => startingWeights(run, training, source),
        openData: (place) => openPretrainData({ entries, run, ...place }),
        async onBegin(directory, done) {
          if (done < steps) await record.begin(done === 0 ? null : directory.checkpointPath(done))
        },
        async writeModel(folder, weights, averages) {
          await writeModel(folder, run, weights, averages)
          await record.write(folder, options.out)
        },
      },
      options,
    )
    return { ...result, videos: entries.length, sources }
  } finally {
    record.stop()
  }
}
