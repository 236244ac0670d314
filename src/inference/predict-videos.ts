import type { FrameSize } from '../core/frame-size.ts'
import { Turns } from '../core/turns.ts'
import type { Engine, EngineOptions } from '../engine/engine.ts'
import { requireFiniteOutput, runClips } from '../engine/run-clips.ts'
import { frameSize } from '../model/configuration.ts'
import { chooseEngine } from '../train/engine-choice.ts'
import { IdleProcesses } from '../video/idle-processes.ts'
import { type LoadedVideo, loadClips } from '../video/load-clips.ts'
import type { DecoderName, UnreadableVideo, VideoEntry } from '../video/types.ts'
import { buildClassifierProgram, type Classifier } from './classifier.ts'
import { usualBatch, usualViews } from './defaults.ts'
import { clipBytesOf, clipRunNeed, type GivenClips, requireClipRunMemory } from './memory.ts'
import { spatialViews, type TestSampling, temporalViews } from './views.ts'

/** Anything that gives probabilities for clips: a classifier on an engine, or an exported file. */
export interface ClipClassifier {
  readonly labels: readonly string[]
  readonly frames: number
  /** Height and width of a frame, pixels, and how pictures are scaled to it. */
  readonly size: FrameSize
  readonly sampling: TestSampling
  /** Clips in one run. */
  readonly batch: number
  /** What a user should know about its files, one sentence each. */
  readonly warnings?: readonly string[]
  /** Folder of its weights, where an evaluation looks for what they were trained on; absent for a file that does not say it. */
  readonly location?: string
  /** Decoding processes that are kept from one call to the next. */
  readonly processes?: IdleProcesses
  /**
   * May be called while an earlier call is under way.
   *
   * @param clips uint8 [n][frames, height, width, 3]
   * @returns [n, classes] probabilities
   */
  probabilities(clips: Uint8Array): Promise<Float32Array>
  close(): Promise<void>
}

export interface ClassifierEngineOptions extends EngineOptions {
  /** Default: the best one that this machine has. */
  readonly engine?: string | Engine | null
  /** Clips in one run. Default 4. */
  readonly batch?: number
  /** The clips that it will be given: what does not fit into memory is refused before anything is opened. Default: nothing is refused. */
  readonly given?: GivenClips
}

/** Most clips that wait for a run, where videos of `views` clips are gathered until a run is full. */
export const gatheredFor = (batch: number, views: number): number => batch - 1 + views

/**
 * Opens a classifier on an engine.
 *
 * @throws VideoMaeError `OUT_OF_MEMORY` where `given` does not fit, and what the engine throws
 */
export async function openClipClassifier(
  classifier: Classifier & { readonly warnings?: readonly string[]; readonly path?: string },
  { engine: name = null, batch = usualBatch.classifier, given, ...options }: ClassifierEngineOptions = {},
): Promise<ClipClassifier> {
  const { configuration, labels, sampling, state, warnings, path: location } = classifier
  const size = frameSize(configuration)
  const engine: Engine = await chooseEngine(name)
  const program = buildClassifierProgram(classifier, { batch })
  const clipBytes = clipBytesOf(configuration)
  if (given !== undefined) {
    const weights = [...state.values()].reduce((sum, { byteLength }) => sum + byteLength, 0)
    const clips = { ...given, clipBytes, gathered: gatheredFor(batch, given.views) }
    requireClipRunMemory(clipRunNeed({ engine: engine.name, options, program, weights, clips }))
  }
  const session = await engine.open([program], options)
  try {
    await session.writeState(new Map(program.state.map((item) => [item.name, state.get(item.name)!])))
  } catch (error) {
    await session.close() // Nobody gets a classifier that could be closed.
    throw error
  }
  const { frames } = configuration
  const processes = new IdleProcesses()
  const clip = { session, program: program.name, batch, clipBytes }
  const turns = new Turns()
  return {
    labels,
    frames,
    size,
    sampling,
    batch,
    warnings,
    location,
    // A session takes one run at a time, and callers do not know of each other.
    probabilities: (clips) => turns.run(async () => (await runClips(clip, clips, ['probabilities'])).probabilities),
    processes,
    async close() {
      await processes.close()
      await session.close()
    },
  }
}

export interface ViewOptions {
  /** Temporal views. Default 5. */
  readonly clips?: number
  /** Spatial views. Default 3. */
  readonly crops?: number
  /** Decoding processes. Default: one per core. */
  readonly workers?: number
  readonly decoder?: DecoderName
  readonly timeoutSeconds?: number
  /** Idle decoding processes of earlier calls. Default: those of the classifier, which end when it is closed. */
  readonly processes?: IdleProcesses
  readonly signal?: AbortSignal
}

export type VideoPrediction = {
  readonly index: number
  readonly entry: VideoEntry
} & (
  | { readonly ok: true /** [classes], the mean of the views' probabilities. */; readonly probabilities: Float64Array }
  | UnreadableVideo
)

/**
 * Predicts every video from several views: the softmax of each, then their mean (VideoMAE's merge; a mean of logits would
 * score lower). Videos are told apart by their index in the list, never by a file name. A video that cannot be read is
 * yielded as a failure; nothing replaces it.
 *
 * @throws VideoMaeError `DECODER_MISSING`; the signal's reason when aborted
 */
export async function* predictVideos(
  classifier: ClipClassifier,
  entries: readonly VideoEntry[],
  { clips = usualViews.evaluation.clips, crops = usualViews.evaluation.crops, ...loading }: ViewOptions = {},
): AsyncGenerator<VideoPrediction, void, undefined> {
  const samplings = temporalViews(classifier.sampling, classifier.frames, clips)
  const views = spatialViews(crops)
  const { processes } = classifier
  const loaded = loadClips({ entries, samplings, crops: views, size: classifier.size, processes, ...loading })
  for await (const prediction of predictFrom(classifier, loaded)) {
    // Clips that are decoded already would be predicted to their end.
    loading.signal?.throwIfAborted()
    yield prediction
  }
}

/** `predictVideos` for views that are loaded elsewhere. */
export async function* predictFrom(
  classifier: ClipClassifier,
  loaded: AsyncIterable<LoadedVideo> | Iterable<LoadedVideo>,
): AsyncGenerator<VideoPrediction, void, undefined> {
  // Enough videos to fill a run: with one view each, a run per video would be mostly padding.
  let waiting: LoadedVideo[] = []
  let waitingViews = 0
  for await (const video of loaded) {
    waiting.push(video)
    if (video.ok) waitingViews += video.views.length
    if (waitingViews < classifier.batch) continue
    yield* predictLoaded(classifier, waiting)
    waiting = []
    waitingViews = 0
  }
  yield* predictLoaded(classifier, waiting)
}

async function* predictLoaded(
  classifier: ClipClassifier,
  videos: readonly LoadedVideo[],
): AsyncGenerator<VideoPrediction, void, undefined> {
  const readable = videos.filter((video) => video.ok)
  const probabilities =
    readable.length === 0
      ? new Float32Array(0)
      : await classifier.probabilities(Buffer.concat(readable.map(({ clips }) => clips)))
  requireFiniteOutput('probabilities', probabilities)
  let from = 0
  for (const video of videos) {
    const { index, entry } = video
    if (!video.ok) {
      yield { index, entry, ok: false, code: video.code, reason: video.reason }
      continue
    }
    const until = from + video.views.length * classifier.labels.length
    yield {
      index,
      entry,
      ok: true,
      probabilities: meanOverViews(probabilities.subarray(from, until), classifier.labels.length),
    }
    from = until
  }
}

/** [views, classes] -> [classes] */
export function meanOverViews(probabilities: Float32Array, classes: number): Float64Array {
  const views = probabilities.length / classes
  const mean = new Float64Array(classes)
  for (let i = 0; i < probabilities.length; i++) mean[i % classes] += probabilities[i] / views
  return mean
}
