import { statSync } from 'node:fs'
import path from 'node:path'
import { requireCount } from '../core/counts.ts'
import { invalidArgument, unusedArgument } from '../core/errors.ts'
import { Ranks } from '../distributed/ranks.ts'
import { automatic } from '../engine/automatic.ts'
import { videoDurations } from '../video/durations.ts'
import type { SourceReading } from '../video/reading.ts'
import { readVideos, type VideoListing } from '../video/source.ts'
import type { UnreadableVideo, VideoEntry } from '../video/types.ts'
import { openClassifier } from './classifier.ts'
import { usualTop, usualViews } from './defaults.ts'
import { isExported } from './exported-name.ts'
import { openOnnxClassifier } from './onnx-classifier.ts'
import { type ClassifierEngineOptions, type ClipClassifier, openClipClassifier } from './predict-videos.ts'
import { predictOnRanks, type RankPredictionOptions, requireSameWork } from './rank-predictions.ts'
import { requireWindowSeconds, withWindows } from './windows.ts'

/** A classifier that was opened: it predicts videos until it is closed. */
export interface OpenClassifier extends ClipClassifier {
  /**
   * `predict` with this classifier, which stays open.
   *
   * @param videos videos, folders and lists
   * @throws VideoMaeError as `predict`
   */
  predict(videos: readonly string[], options?: PredictVideosOptions): Promise<Prediction[]>
}

/**
 * Opens whatever a user may name as a classifier: an exported `.onnx` file, which is all that is needed then, or what
 * `openClassifier` opens.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for an option of engines with an exported file, and what `openOnnxClassifier`,
 *   `openClassifier` and the engine throw
 *
 * @example
 * ```ts
 * import { openAnyClassifier } from 'videomae'
 *
 * const classifier = await openAnyClassifier('checkpoints/classifier')
 * const left = await classifier.predict(['videos/left'])
 * const right = await classifier.predict(['videos/right'])
 * await classifier.close()
 * left.length + right.length // => 12
 * ```
 */
export async function openAnyClassifier(from: string, options: ClassifierEngineOptions = {}): Promise<OpenClassifier> {
  const opened = await openClips(from, options)
  return { ...opened, predict: (videos, wanted = {}) => predict(videos, { ...wanted, from: opened }) }
}

async function openClips(from: string, options: ClassifierEngineOptions): Promise<ClipClassifier> {
  if (isExported(from)) {
    refuseEngineOptions(from, options)
    return openOnnxClassifier(from, { batch: options.batch, threads: options.threads, given: options.given })
  }
  return openClipClassifier(await openClassifier(from), options)
}

function refuseEngineOptions(from: string, { engine, device, precision, recompute }: ClassifierEngineOptions): void {
  const name = typeof engine === 'object' && engine !== null ? engine.name : (engine ?? automatic)
  const hint = 'Name the checkpoint that the file was exported from, or remove the option.'
  if (name !== automatic && name !== 'onnx')
    throw invalidArgument('engine', `onnx with the exported file ${from}, which ONNX Runtime runs`, name, hint)
  for (const [option, value, usual] of [
    ['device', device, 'cpu'],
    ['precision', precision, undefined],
    ['recompute', recompute, 'none'],
  ] as const)
    if (value !== undefined && value !== usual)
      throw unusedArgument(option, `with the exported file ${from}, which has its own`, value, hint)
}

/** How a classifier looks at each video, and what is returned of it. */
export interface PredictVideosOptions extends RankPredictionOptions {
  /** Classes that are returned, the most probable first. Default 5. */
  readonly top?: number
  /** Least probability of a class that counts as an answer, 0 to 1. Default 0: the most probable class always does. */
  readonly threshold?: number
  /** Predict windows of this many seconds, one after the other, instead of whole videos: a time line. */
  readonly windowSeconds?: number
  /** What a user should know about the classifier, one sentence each. */
  readonly onWarning?: (warning: string) => void
  /** Told how folders and lists were read, before the first prediction. */
  readonly onSources?: (sources: readonly SourceReading[]) => void
}

/** The classifier, and how it looks at each video. */
export interface PredictOptions extends PredictVideosOptions, Omit<ClassifierEngineOptions, 'ranks'> {
  /** A checkpoint, a run folder, a Hugging Face directory or an exported ONNX file; or what `openAnyClassifier` opened, which stays open. */
  readonly from: string | ClipClassifier
}

/** `video` is the path; `part` says which seconds of it a list names. */
export interface PredictedVideo {
  readonly video: string
  readonly part?: { readonly start?: number; readonly end?: number }
}

export function predictedVideo({ path: video, start, end }: VideoEntry): PredictedVideo {
  return start === undefined && end === undefined ? { video } : { video, part: { start, end } }
}

/** The classes of one video with their probabilities, or why it could not be read. */
export type Prediction = PredictedVideo &
  (
    | {
        /** Tells it from a video that could not be read. */
        readonly ok: true
        /** The most probable class; null where its probability is below the threshold: none of these. */
        readonly label: string | null
        /** The most probable classes with their probabilities (0 to 1), the most probable first. */
        readonly classes: readonly { readonly label: string; readonly probability: number }[]
      }
    | UnreadableVideo
  )

/**
 * The most probable classes of videos, of all videos in folders, and of those that lists (`.csv`, `.tsv`, `.txt`) name, one view each unless told otherwise. A video that cannot be read is returned as a
 * failure.
 *
 * @throws VideoMaeError `NOT_A_CLASSIFIER`, and what opening the classifier and decoding throw
 * @example
 * ```ts
 * import { predict } from 'videomae'
 *
 * const predictions = await predict(['videos/left'], { from: 'checkpoints/classifier', top: 2 })
 * predictions.length // => 6
 * predictions[0].ok && predictions[0].classes.length // => 2
 * ```
 */
export async function predict(videos: readonly string[], options: PredictOptions): Promise<Prediction[]> {
  const {
    from,
    top = usualTop,
    threshold = 0,
    windowSeconds,
    onProgress,
    onSources,
    onWarning,
    ranks = Ranks.alone(),
    ...rest
  } = options
  const { clips = usualViews.prediction.clips, crops = usualViews.prediction.crops } = options
  requireCount('top', top)
  if (!(threshold >= 0 && threshold <= 1)) throw invalidArgument('threshold', 'a probability from 0 to 1', threshold)
  if (windowSeconds !== undefined) requireWindowSeconds(windowSeconds)
  const { entries: named, sources } = await ranks.agree(() => readGiven(videos))
  onSources?.(sources)
  const { processes: _, ...opening } = rest // The thread of the engine could not take them over.
  const given = {
    views: clips * crops,
    ...(windowSeconds === undefined ? { videos: named.length } : {}),
    ...{ workers: rest.workers, programs: ranks.onThisHost },
  }
  const open = () => (typeof from === 'string' ? openAnyClassifier(from, { ...opening, given }) : from)
  const classifier = await ranks.agree(open)
  try {
    for (const warning of classifier.warnings ?? []) onWarning?.(warning)
    const { entries, failures } = await ranks.agree(async () => {
      if (windowSeconds === undefined) return { entries: named, failures: named.map(() => null) }
      const durations = await videoDurations({ processes: classifier.processes, ...rest, entries: named })
      return withWindows(named, durations, windowSeconds)
    })
    await requireSameWork(ranks, classifier, entries)
    const predictions: Prediction[] = []
    for (const [i, failure] of failures.entries())
      if (failure !== null) predictions[i] = { ...predictedVideo(entries[i]), ...failure }
    const readable = [...entries.keys()].filter((i) => failures[i] === null)
    const shown = readable.map((i) => entries[i])
    for (const result of await predictOnRanks(classifier, shown, { ...rest, clips, crops, ranks, onProgress })) {
      const named = predictedVideo(result.entry)
      const index = readable[result.index]
      if (!result.ok) {
        predictions[index] = { ...named, ok: false, code: result.code, reason: result.reason }
        continue
      }
      const classes = classifier.labels
        .map((label, c) => ({ label, probability: result.probabilities[c] }))
        .sort((a, b) => b.probability - a.probability)
      const [{ label, probability }] = classes
      const answer = probability >= threshold ? label : null
      predictions[index] = { ...named, ok: true, label: answer, classes: classes.slice(0, top) }
    }
    return predictions
  } finally {
    if (classifier !== from) await classifier.close()
  }
}

const listExtensions: ReadonlySet<string> = new Set(['.csv', '.tsv', '.txt'])

/** Whatever else is named is a video: one that is missing or no video becomes a failure next to the other predictions. */
export function readGiven(names: readonly string[]): VideoListing {
  const all = names.map((name): VideoListing => {
    if (isFolder(name) || listExtensions.has(path.extname(name).toLowerCase())) return readVideos(name)
    return { entries: [{ path: name, id: name }], sources: [] }
  })
  return { entries: all.flatMap(({ entries }) => entries), sources: all.flatMap(({ sources }) => sources) }
}

function isFolder(name: string): boolean {
  try {
    return statSync(name).isDirectory()
  } catch {
    return false
  }
}
