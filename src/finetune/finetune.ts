import { existsSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { fileDigestOf } from '../dataset/dataset.ts'
import { writeSplitFile } from '../dataset/split-file.ts'
import type { SplitRecord } from '../dataset/split-record.ts'
import { Ranks } from '../distributed/ranks.ts'
import { replaceDirectory, writeFileAtomic } from '../format/atomic.ts'
import { readRegularText } from '../format/regular-file.ts'
import { type Classifier, saveClassifier } from '../inference/classifier.ts'
import { type Evaluation, writeEvaluation } from '../inference/evaluate.ts'
import type { ValidationScores } from '../inference/scores.ts'
import { accuracyBeside } from '../inference/scores.ts'
import { temporalViews } from '../inference/views.ts'
import { frameSize } from '../model/configuration.ts'
import { trainingManifestFile } from '../train/file-names.ts'
import { bestFolder, checkpointLocation } from '../train/open-checkpoint.ts'
import { type OpenedVideos, openSome } from '../train/open-some.ts'
import { lockRun, type RunLock } from '../train/run-lock.ts'
import { originalsOfFiles, TrainingRecord } from '../train/training-manifest.ts'
import type { RunOptions } from '../train/training-run.ts'
import { type IdleProcesses, withProcesses } from '../video/idle-processes.ts'
import type { SourceReading } from '../video/reading.ts'
import {
  type FinetuneConfiguration,
  type FinetuneMode,
  finetuneModes,
  loadingOptions,
  plainFinetuneConfiguration,
} from './configuration.ts'
import { finetuneFull } from './finetune-full.ts'
import { type FinetuneHeadOptions, finetuneHead, type HeadFinetuning, notTested } from './finetune-head.ts'
import { tellOf } from './how-divided.ts'
import { interruptible } from './interruption.ts'
import { announce, planFull, planHead } from './plan.ts'
import { type PreparedFinetuning, prepareFinetuning } from './prepare.ts'
import { testBest } from './test-best.ts'

/** What a run of fine-tuning wrote, and its scores on validation and test videos. */
export interface FinetuneResult {
  /** Folder of the run, and of its chosen classifier. */
  readonly run: string
  /** Folder of the chosen classifier. */
  readonly classifier: string
  /** Names of the classes, in the order of their indices. */
  readonly classes: readonly string[]
  /** How many videos each part has. */
  readonly videos: { readonly train: number; readonly validation: number; readonly test: number }
  /** Where every row of the data went. */
  readonly rows: SplitRecord
  /** How the data was read. */
  readonly sources: readonly SourceReading[]
  /** Of the chosen checkpoint; null without validation videos. */
  readonly validation: ValidationScores | null
  /** The accuracy on the validation videos that can be read, with its interval and what is right without looking. */
  readonly validationAccuracy: ReturnType<typeof accuracyBeside> | null
  /** Of the chosen checkpoint; null without test videos that can be read. */
  readonly test: Evaluation | null
  /** How it was chosen: step, epoch or strength, and the readout with `auto`. */
  readonly chosen: string
  /** With the readout `auto`: what it was chosen by. Null otherwise. */
  readonly readouts: HeadFinetuning['readouts']
  /** From the call to its end. */
  readonly seconds: number
  /** What a user should know, one sentence each. */
  readonly warnings: readonly string[]
  /** Videos that could not be read, with the reason in one line. */
  readonly failures: readonly { readonly id: string; readonly reason: string }[]
}

/** Where a run of fine-tuning writes, whether it resumes, and who is told of its progress. */
export interface FinetuneOptions extends Omit<RunOptions, 'ranks' | 'lock'> {
  /** Idle decoding processes of earlier calls, and where those of this run go in the end. Default: they end with the run. */
  readonly processes?: IdleProcesses
  /** Files that were read for their digests, before anything else. */
  readonly onDigests?: (done: number, total: number) => void
  /** Modes that train a head: videos whose features are there, of all that are needed. */
  readonly onFeatures?: FinetuneHeadOptions['onFeatures']
  /** Mode full: tested videos. */
  readonly onTest?: (done: number, total: number) => void
}

/** With the ranks that train together, and a lock that is held. */
type RanksOptions = FinetuneOptions & Pick<RunOptions, 'ranks' | 'lock'>

const [configurationFile, splitFile, evaluationFolder] = ['config.json', 'split.csv', 'evaluation']

const beforeTraining = {
  message: 'Stopped before training began, while the videos were checked.',
  hint: 'Run the same command again.',
}

/**
 * Trains a classifier from labeled videos, keeps the checkpoint that is best on the validation videos, and tests that one
 * on the test videos, which nothing else sees.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, `LABEL_MISSING`, `CLASSES_TOO_FEW`, `SPLIT_INVALID`, `RUN_LOCKED`, `RUN_EXISTS`,
 *   `RUN_FOLDER`, `RESUME_MISMATCH`, `HISTORY_UNREADABLE`, `NON_FINITE`, `INTERRUPTED`, and what opening encoders, videos and engines throws
 * @example
 * ```ts
 * import { finetune, finetuneConfiguration } from 'videomae'
 *
 * const configuration = finetuneConfiguration({
 *   data: { path: 'videos/labels.csv' },
 *   model: { from: 'checkpoints/encoder' },
 *   mode: 'ridge',
 * })
 * const { classes, videos } = await finetune(configuration, { out: 'checkpoints/classifier' })
 * classes.length // => 8
 * videos.train // => 24
 * ```
 */
export function finetune(configuration: FinetuneConfiguration, options: FinetuneOptions): Promise<FinetuneResult> {
  return finetuneOnRanks(configuration, options)
}

/** `finetune`, on all ranks. Collective. @throws VideoMaeError as `finetune`, on all ranks */
export async function finetuneOnRanks(
  configuration: FinetuneConfiguration,
  options: RanksOptions,
): Promise<FinetuneResult> {
  const ranks = options.ranks ?? Ranks.alone()
  let lock = options.lock ?? null
  try {
    // Rank 0 has the folder.
    await ranks.agree(async () => {
      if (ranks.rank === 0) lock ??= await lockRun(options.out, options.onNote)
    })
    return await withProcesses(options.processes, (processes) =>
      finetuneLocked(configuration, { ...options, lock: lock ?? undefined, processes, ranks }),
    )
  } finally {
    if (options.lock === undefined) await (lock as RunLock | null)?.release()
  }
}

async function finetuneLocked(
  configuration: FinetuneConfiguration,
  options: RanksOptions & { readonly ranks: Ranks },
): Promise<FinetuneResult> {
  const [began, since] = [performance.now(), Date.now()]
  const { signal, onDigests, ranks } = options
  const prepared = await ranks.agree(async () => {
    if (ranks.rank === 0) await requireOwnFolder(options.out, configuration.mode)
    return interruptible(signal, beforeTraining, () =>
      prepareFinetuning(configuration, { signal, onProgress: onDigests }),
    )
  })
  const { dataset, split, warnings } = prepared
  const rows = tellOf(configuration, prepared, options)
  if (configuration.mode !== 'full')
    await ranks.agree(async () => announce(await planHead(configuration, prepared, options), options))
  const common = {
    run: path.resolve(options.out),
    classifier: path.resolve(options.out, bestFolder),
    classes: dataset.classes,
    videos: { train: split.train.length, validation: split.validation.length, test: split.test.length },
    rows,
    sources: dataset.sources,
  }
  if (ranks.rank > 0) return finetuneBeside(configuration, prepared, options, { ...common, warnings })
  makeFolder(options.out)
  const record = await recordOf(configuration, prepared, since, options)
  try {
    const train = configuration.mode === 'full' ? runFull : runHead
    const trained = await train(configuration, prepared, { ...options, record })
    return {
      ...{ ...common, ...trained, warnings: [...warnings, ...trained.warnings] },
      validationAccuracy: validationAccuracyOf(prepared, trained),
      seconds: (performance.now() - began) / 1000,
    }
  } finally {
    record.stop()
  }
}

/** What training adds to the result of a run. */
type Trained = Pick<FinetuneResult, 'test' | 'validation' | 'chosen' | 'readouts' | 'failures' | 'warnings'>

interface TrainingOptions extends FinetuneOptions {
  readonly ranks: Ranks
  /** What is written of the training data next to the weights. */
  readonly record: TrainingRecord
}

/** Trains a head on features, on rank 0, and tests it. */
async function runHead(
  configuration: FinetuneConfiguration,
  prepared: PreparedFinetuning,
  options: TrainingOptions,
): Promise<Trained> {
  const { out, record } = options
  const classifier = path.resolve(out, bestFolder)
  if (options.resume === true)
    options.onNote?.('Features computed earlier are used again; the head is trained from scratch.')
  const writeConfiguration = (): Promise<void> => {
    const plain = plainFinetuneConfiguration(configuration)
    return writeFileAtomic(path.join(out, configurationFile), `${JSON.stringify(plain, null, 2)}\n`)
  }
  // What --resume goes by. Beside a classifier is the configuration of that one, until another takes its place.
  await options.ranks.agree(async () => {
    await record.begin(null)
    if (!existsSync(classifier)) await writeConfiguration()
  })
  const save = async (trained: Classifier): Promise<string> => {
    await writeConfiguration()
    await writeSplitFile(path.join(out, splitFile), prepared.split)
    await report(out, null) // that of an earlier head is about another classifier
    await replaceDirectory(classifier, async (folder) => {
      await saveClassifier(folder, trained)
      await record.write(folder, out)
    })
    return classifier
  }
  const result = await finetuneHead(configuration, prepared, { ...options, save })
  if (result === null) throw new Error('Rank 0 trains the head.')
  await report(out, result.test)
  const { test, validation, chosen, readouts, failures, warnings } = result
  return { test, validation, chosen, readouts, failures, warnings }
}

/** Trains all weights, on rank 0 of several, and tests those that are best on the validation videos. */
async function runFull(
  configuration: FinetuneConfiguration,
  prepared: PreparedFinetuning,
  options: TrainingOptions,
): Promise<Trained> {
  const { out } = options
  const { split } = prepared
  const onAccepted = (): Promise<void> => writeSplitFile(path.join(out, splitFile), split)
  const trained = await finetuneFull(configuration, prepared, { ...options, onAccepted })
  const test = split.test.length === 0 ? null : await testBest(configuration, split.test, options)
  await report(out, test)
  const warnings = split.test.length > 0 && test === null ? [notTested(split.test.length)] : []
  for (const warning of warnings) options.onNote?.(`warning: ${warning}`)
  const { validation } = trained
  return {
    ...{ test, validation, warnings, readouts: null },
    chosen: `step ${validation?.step ?? trained.steps} of ${trained.steps}`,
    failures: trained.failures.map(({ id, reason }) => ({ id, reason })),
  }
}

/** Writes the evaluation on the test videos into the folder of the run; without one, removes that of an earlier classifier. */
async function report(out: string, test: Evaluation | null): Promise<void> {
  const folder = path.join(out, evaluationFolder)
  if (test === null) await rm(folder, { recursive: true, force: true })
  else await writeEvaluation(folder, test)
}

/** The accuracy on the validation videos that could be read; null where there are none. */
function validationAccuracyOf(
  { dataset, split }: PreparedFinetuning,
  { validation, failures }: Pick<Trained, 'validation' | 'failures'>,
): FinetuneResult['validationAccuracy'] {
  const failed = new Set(failures.map(({ id }) => id))
  const seen = split.validation.filter(({ id }) => !failed.has(id))
  return validation === null || seen.length === 0 ? null : accuracyBeside(validation.accuracy, seen, dataset.classes)
}

/**
 * Everything that `finetune` does before it computes anything, without writing a file: checks the configuration and the folder, divides
 * the videos, compares the memory that is needed with what is there, and decodes a clip of some training videos.
 *
 * @throws VideoMaeError as `finetune`, but for what happens in training; `NOT_ENOUGH_VIDEOS` where none of the videos can be read
 */
export function checkFinetuning(configuration: FinetuneConfiguration, options: FinetuneOptions): Promise<OpenedVideos> {
  return checkFinetuningOnRanks(configuration, options)
}

/** `checkFinetuning`, on rank 0 of several. @throws VideoMaeError as `checkFinetuning` */
export async function checkFinetuningOnRanks(
  configuration: FinetuneConfiguration,
  options: RanksOptions,
): Promise<OpenedVideos> {
  await requireOwnFolder(options.out, configuration.mode)
  const { signal, onDigests } = options
  const prepared = await interruptible(signal, beforeTraining, () =>
    prepareFinetuning(configuration, { signal, onProgress: onDigests }),
  )
  tellOf(configuration, prepared, options)
  const full = configuration.mode === 'full'
  announce(await (full ? planFull : planHead)(configuration, prepared, options), options)
  const { split, source } = prepared
  return openSome({
    entries: split.train,
    samplings: temporalViews(source.sampling, source.configuration.frames, 1),
    size: frameSize(source.configuration),
    ...loadingOptions(configuration.data),
    processes: options.processes,
    signal,
  })
}

/**
 * For a certificate every video of the data counts as trained on, also of the test part and of what `shots` leaves out: labels of
 * all of them decide the split. Which of them trained or chose the weights is noted next to.
 */
async function recordOf(
  { model }: FinetuneConfiguration,
  { dataset, split, source }: PreparedFinetuning,
  since: number,
  { signal, onNote }: FinetuneOptions,
): Promise<TrainingRecord> {
  const { from } = model
  const digests = dataset.videos.flatMap((video) =>
    video.digest === null ? [] : [[video.path, fileDigestOf(video)] as const],
  )
  const used = new Set([...split.train, ...split.validation].map((video) => video.path))
  const files = dataset.videos.map((video) => video.path)
  return new TrainingRecord({
    files,
    originals: originalsOfFiles(dataset.videos),
    labeled: true,
    heldOut: new Set(files.filter((file) => !used.has(file))),
    start:
      from === null || from === 'scratch'
        ? null
        : { from, location: await checkpointLocation(from), state: source.state },
    known: { digests: new Map(digests), since },
    signal,
    onNote,
  })
}

/** Refuses a folder that holds files of another purpose, which the run would replace. */
async function requireOwnFolder(folder: string, mode: FinetuneMode): Promise<void> {
  const present = await readdir(folder).catch((): string[] => [])
  const written = [configurationFile, splitFile, bestFolder, evaluationFolder, trainingManifestFile]
  const replaced = written.filter((name) => present.includes(name))
  if (replaced.length === 0) return
  const before = await modeOf(folder)
  // A run that was killed as it began anew has put its configuration aside, and has written none yet.
  const aside = present.includes(configurationFile) ? [] : present.filter((name) => /^earlier-\d+$/.test(name))
  const begun = (await Promise.all(aside.map((name) => modeOf(path.join(folder, name))))).includes('full')
  const full = before === 'full' || begun
  const head = finetuneModes.some((name) => name === before) && !full
  if (mode === 'full' ? full : head) return
  throw new VideoMaeError(
    `Expected an empty folder, or the folder of an earlier run ${mode === 'full' ? 'of mode full' : 'that trained a head'}, but ${path.resolve(folder)} contains ${replaced.join(', ')}.`,
    { code: 'RUN_FOLDER', exit: 'usage', hint: 'Choose another folder with --out.' },
  )
}

/** `mode` of the configuration in a folder; undefined where there is none of a fine-tuning run. */
async function modeOf(folder: string): Promise<unknown> {
  return readRegularText(path.join(folder, configurationFile))
    .then((text) => (JSON.parse(text) as { readonly mode?: unknown } | null)?.mode)
    .catch(() => undefined)
}

/** Fine-tunes next to rank 0, which has the folder: the same collective calls in the same order. */
async function finetuneBeside(
  configuration: FinetuneConfiguration,
  prepared: PreparedFinetuning,
  options: FinetuneOptions & { readonly ranks: Ranks },
  common: Omit<
    FinetuneResult,
    'validation' | 'validationAccuracy' | 'test' | 'chosen' | 'readouts' | 'failures' | 'seconds'
  >,
): Promise<FinetuneResult> {
  const { test } = prepared.split
  const nothing = {
    validation: null,
    validationAccuracy: null,
    readouts: null,
    chosen: '',
    failures: [],
    test: null,
    seconds: 0,
  }
  if (configuration.mode !== 'full') {
    await options.ranks.agree(() => {}) // the folder is prepared
    await finetuneHead(configuration, prepared, options)
    return { ...common, ...nothing }
  }
  const trained = await finetuneFull(configuration, prepared, options)
  return {
    ...common,
    ...nothing,
    failures: trained.failures,
    test: test.length === 0 ? null : await testBest(configuration, test, options),
    seconds: trained.seconds,
  }
}
