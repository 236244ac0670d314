import { availableParallelism } from 'node:os'
import path from 'node:path'
import { availableMemory } from '../core/available-memory.ts'
import { invalidArgument } from '../core/errors.ts'
import { Ranks } from '../distributed/ranks.ts'
import { clipShape, frameSize } from '../model/configuration.ts'
import { parameterCount } from '../model/parameters.ts'
import type { IdleProcesses } from '../video/idle-processes.ts'
import { readingLines, type SourceReading } from '../video/reading.ts'
import { readVideos } from '../video/source.ts'
import { pretrainSplitNote } from '../video/split-notes.ts'
import type { RunConfiguration, RunInput } from './configuration.ts'
import { runConfiguration } from './configuration-file.ts'
import { DecodedFiles } from './decoded-files.ts'
import { chooseEngine, continuesRun } from './engine-choice.ts'
import { memoryNeed, requireMemory, trainingAdvice } from './memory-need.ts'
import { openCheckpoint } from './open-checkpoint.ts'
import { type OpenedVideos, openSome } from './open-some.ts'
import { entriesDigest, openPretrainData, pretrainSampling } from './pretrain-data.ts'
import { buildPretraining, initialWeights, writePretrainedModel } from './pretrain-session.ts'
import { rankBatches } from './rank-batches.ts'
import { rankResources } from './rank-resources.ts'
import { plainConfiguration, plainRun, type ResolvedRun, resolveRun } from './resolve.ts'
import { withAbsolutePaths } from './run-paths.ts'
import { describeModel, smallerRuns } from './run-start.ts'
import { createSchedule } from './schedule.ts'
import { probeCount, signsProgramOf } from './signs/probe-videos.ts'
import { RunSigns, type SignsLine, signsWarnings } from './signs/run-signs.ts'
import { originalsOfFiles, TrainingRecord } from './training-manifest.ts'
import { type RunOptions, type TrainingRunResult, trainInDirectory } from './training-run.ts'
import { openTrainingSession } from './training-session.ts'
import { unusedInPretraining, unusedNote } from './unused-keys.ts'

/** Where a pretraining run writes, whether it resumes, and who is told of its progress. */
export interface PretrainOptions extends Omit<RunOptions, 'ranks' | 'lock'> {
  /** Idle decoding processes of earlier calls, and where those of this run go in the end. Default: they end with the run. */
  readonly processes?: IdleProcesses
}

/** With the ranks that train together, and a lock that is held. */
type RanksOptions = PretrainOptions & Pick<RunOptions, 'ranks' | 'lock'>

/** What a pretraining run wrote, and what it read. */
export interface PretrainResult extends TrainingRunResult {
  /** Videos, or parts of videos, that the data has. */
  readonly videos: number
  /** How the data was read. */
  readonly sources: readonly SourceReading[]
  /** Signs of learning after the last step; null where none were measured, and on ranks that write nothing. */
  readonly signs: SignsLine | null
  /** What a user should know about the result, one sentence each. */
  readonly warnings: readonly string[]
}

/**
 * Everything that is checked and looked up before a run begins; what `--print-config` shows. Steps are null where
 * `data.path` is not given.
 *
 * @throws VideoMaeError as `pretrain`, but for what happens in training
 *
 * @example
 * ```ts
 * import { planPretraining } from 'videomae'
 *
 * const { videos, steps } = await planPretraining({
 *   data: { path: 'videos' },
 *   schedule: { duration: '2 steps', warmup: '0 steps' },
 * })
 * videos // => 48
 * steps // => 2
 * ```
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

/** Everything up to the folder of the run: what `pretrain` begins with, and all that a dry run does. */
async function begin(input: RunInput, options: PretrainOptions, ranks: Ranks) {
  const configuration = runConfiguration(input)
  const resources = rankResources(configuration, ranks)
  const { entries, sources, source, run } = await plan(configuration)
  for (const line of sources.flatMap(readingLines)) options.onNote?.(line)
  const parts = pretrainSplitNote(entries)
  if (parts !== null) options.onNote?.(`note: ${parts}`)
  const [plain, defaults] = [configuration, runConfiguration({})].map(plainConfiguration)
  const unused = unusedNote(plain, defaults, unusedInPretraining(configuration))
  if (unused !== null) options.onNote?.(unused)
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
  const { samplesPerClip } = configuration.data
  const share = rankBatches(run, { samplesPerClip, ranks: ranks.size })
  const training = buildPretraining(run, share.clipsPerRun, ranks.size)
  const wanted = { ...configuration.engine, ranks: ranks.communicator.attachment }
  const engine = await chooseEngine(configuration.engine.name, wanted, continuesRun(options))
  const { data, clip, log } = configuration
  const signs = probeCount(log.signs, {
    videos: entries.length,
    clipsBetween: Math.min(checkpointSteps, steps) * configuration.batch.size,
    clipBytes: clipShape(run.model, 1).reduce((size, length) => size * length),
  })
  const others = signs === 0 ? [] : [signsProgramOf(run.model)]
  const question = { engine: engine.name, options: configuration.engine, others, workers: resources.data.workers }
  // Of the ranks on one machine each has a part of what is there.
  const available = Math.floor(availableMemory() / ranks.onThisHost)
  const memory = memoryNeed({ ...question, training, available })
  options.onStart?.({
    videos: entries.length,
    steps,
    clips: steps * configuration.batch.size,
    ...share,
    ranks: ranks.size,
    model: describeModel(run.model),
    parameters: parameterCount(training.parameters),
    engine: engine.name,
    threads: resources.engine.threads ?? availableParallelism(),
    folder: path.resolve(options.out),
    memory,
  })
  if (options.force !== true) {
    const smaller = () =>
      smallerRuns(share.clipsPerRun, configuration.batch.size, configuration.data.samplesPerClip).map((perRun) => ({
        perRun,
        need: memoryNeed({ ...question, training: buildPretraining(run, perRun), available }),
      }))
    requireMemory(memory, () => trainingAdvice(available, smaller()))
  }
  const length = { steps, warmupSteps, checkpointSteps, logSteps, stepsPerEpoch }
  const probe = { entries, count: signs, model: run.model, timing: clip, workers: resources.data.workers ?? undefined }
  const { decoder, timeoutSeconds } = data
  return {
    ...{ configuration, resources, entries, sources, source, run, share, length, training, others },
    probe: signs === 0 ? null : { ...probe, decoder, timeoutSeconds },
  }
}

/**
 * Everything that `pretrain` does before its first step, without a folder and without an engine: checks the configuration, lists
 * the videos, compares the memory that is needed with what is there, and decodes a clip of some videos.
 *
 * @throws VideoMaeError as `pretrain`, but for what happens in training; `NOT_ENOUGH_VIDEOS` where none of the videos can be read
 *
 * @example
 * ```ts
 * import { loadRunConfiguration, parseOverride, recipeFile } from 'videomae'
 * import { checkPretraining } from 'videomae/jobs'
 *
 * const configuration = await loadRunConfiguration({
 *   file: recipeFile('demo'),
 *   overrides: [parseOverride('data.path=videos')],
 * })
 * const { opened, unreadable } = await checkPretraining(configuration, { out: 'checkpoints/never' })
 * opened // => 8
 * unreadable // => []
 * ```
 */
export function checkPretraining(input: RunInput, options: PretrainOptions): Promise<OpenedVideos> {
  return checkPretrainingOnRanks(input, options)
}

/** `checkPretraining`, on rank 0 of several. @throws VideoMaeError as `checkPretraining` */
export async function checkPretrainingOnRanks(input: RunInput, options: RanksOptions): Promise<OpenedVideos> {
  const { configuration, entries, run } = await begin(input, options, options.ranks ?? Ranks.alone())
  const { data, clip } = configuration
  return openSome({
    entries,
    samplings: [pretrainSampling(clip, run.model.frames)],
    size: frameSize(run.model),
    decoder: data.decoder,
    workers: data.workers ?? undefined,
    timeoutSeconds: data.timeoutSeconds,
    processes: options.processes,
    signal: options.signal,
  })
}

/**
 * Pretrains a VideoMAE on videos (Tong et al. 2022): everything that a run is, from files to checkpoints.
 *
 * @param input what differs from the defaults, e.g. `{ data: { path: 'videos' }, schedule: { duration: '20 epochs' } }`, or a
 *   configuration that `loadRunConfiguration` read
 * @throws VideoMaeError `CONFIGURATION_INVALID`, `INVALID_ARGUMENT`, `RUN_EXISTS`, `RUN_FOLDER`, `RESUME_MISMATCH`, `CHECKPOINT_DAMAGED`,
 *   `NON_FINITE`, `INTERRUPTED`, and what listing videos, the loader and the engine throw
 * @example
 * ```ts
 * import { loadRunConfiguration, parseOverride, pretrain, recipeFile } from 'videomae'
 *
 * const settings = ['data.path=videos', 'schedule.duration=2 steps', 'schedule.warmup=0 steps']
 * const configuration = await loadRunConfiguration({
 *   file: recipeFile('demo'),
 *   overrides: settings.map((setting) => parseOverride(setting)),
 * })
 * const run = await pretrain(configuration, { out: 'checkpoints/encoder' })
 * run.videos // => 48
 * ```
 */
export function pretrain(input: RunInput, options: PretrainOptions): Promise<PretrainResult> {
  return pretrainOnRanks(input, options)
}

/** `pretrain`, on all ranks. Collective. @throws VideoMaeError as `pretrain`, on all ranks */
export async function pretrainOnRanks(input: RunInput, options: RanksOptions): Promise<PretrainResult> {
  const ranks = options.ranks ?? Ranks.alone()
  const begun = await ranks.agree(() => begin(input, options, ranks))
  const { configuration, resources, entries, sources, source, run, share, length, training, others } = begun
  const { steps, warmupSteps, checkpointSteps, logSteps, stepsPerEpoch } = length
  const { optimizer, checkpoint, log, seed, model } = configuration
  const decoded = new DecodedFiles(ranks)
  const record = new TrainingRecord({
    files: entries.map((entry) => entry.path),
    originals: originalsOfFiles(entries),
    labeled: false,
    start: source === null ? null : { from: model.from!, location: source.path, state: source.state },
    signal: options.signal,
    onNote: options.onNote,
  })
  const signs =
    begun.probe === null ? null : new RunSigns({ ...options, ...begun.probe, ranks, steps, every: checkpointSteps })
  try {
    const result = await trainInDirectory(
      {
        seed,
        identity: {
          configuration: withAbsolutePaths(plainConfiguration(configuration)),
          data: { entries: entries.length, digest: entriesDigest(entries) },
        },
        description: withAbsolutePaths(plainRun(run)),
        steps,
        stepsPerEpoch,
        checkpointSteps,
        logSteps,
        schedule: createSchedule({ ...run, ...optimizer, weightDecayEnd: run.weightDecayEnd, steps, warmupSteps }),
        ema: optimizer.ema,
        keep: checkpoint.keep,
        tensorboard: log.tensorboard,
        csv: log.csv,
        open: (usedBefore) =>
          openTrainingSession(
            training,
            resources.engine,
            share.runsPerStep,
            others,
            usedBefore,
            ranks.communicator.attachment,
          ),
        startingState: (training) => initialWeights(run, training, source),
        openData: (progress) =>
          openPretrainData({
            ...{ entries, run, workers: resources.data.workers, processes: options.processes },
            ...(ranks.size > 1 && { share: { ...share, ranks } }),
            ...progress,
            onDecoded: (file, state) => (ranks.rank === 0 ? record.decoded(file, state) : decoded.add(file, state)),
          }),
        beforeSave: () => decoded.tell((file, state) => record.decoded(file, state)),
        async onBegin(directory, done) {
          if (done < steps) await record.begin(done === 0 ? null : directory.checkpointPath(done))
          await signs?.begin(done)
        },
        onStarted: async (done, { session }, show) => signs?.after(done, session, show),
        afterStep: async (step, { session }, show) => signs?.after(step, session, show),
        async writeModel(folder, weights, averages) {
          await writePretrainedModel(folder, run, weights, averages)
          await record.write(folder, options.out)
        },
      },
      options,
    )
    const measured = signs?.history ?? []
    const warnings = [...lossWarnings(result), ...signsWarnings(measured)]
    return { ...result, videos: entries.length, sources, signs: measured.at(-1) ?? null, warnings }
  } finally {
    record.stop()
  }
}

/** Share of the loss of predicting the mean that a run must be below to have learned anything. */
const learnedBelow = 0.98

/** A sentence where the last loss is still that of predicting the mean, or above it. */
export function lossWarnings({ loss, meanLoss }: Pick<TrainingRunResult, 'loss' | 'meanLoss'>): string[] {
  if (loss === null || meanLoss === null || loss < learnedBelow * meanLoss) return []
  return [
    `The loss (${loss.toFixed(4)}) is ${loss < meanLoss ? 'less than 2 % below' : 'not below'} the loss of predicting the mean (${meanLoss.toFixed(4)}), so the model has learned ` +
      'almost nothing: train longer (schedule.duration), change optimizer.baseLearningRate, or look at the clips with `videomae reconstruct`.',
  ]
}
