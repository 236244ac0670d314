import { createHash } from 'node:crypto'
import { requireCount } from '../core/counts.ts'
import { invalidArgument, unusedArgument } from '../core/errors.ts'
import type { FrameSize } from '../core/frame-size.ts'
import { contentDigest } from '../dataset/dataset.ts'
import type { EngineOptions } from '../engine/engine.ts'
import { digestFile } from '../format/file-digest.ts'
import { frameSize } from '../model/configuration.ts'
import { readoutName } from '../model/readout-name.ts'
import { positionsOf } from '../train/clip-timing.ts'
import { chooseEngine, engineRecord } from '../train/engine-choice.ts'
import type { ClipView } from '../video/clip.ts'
import type { IdleProcesses } from '../video/idle-processes.ts'
import { loadClips } from '../video/load-clips.ts'
import { loadWindows, windowsAtOnce } from '../video/load-windows.ts'
import type { DecoderName, VideoEntry } from '../video/types.ts'
import { type AugmentationKind, augmentationKey, augmentedClips, planAugmentation } from './augmentation.ts'
import { usualBatch, usualViews } from './defaults.ts'
import {
  bytesOfWeights,
  type FeatureKind,
  type FeatureProgram,
  featureProgram,
  type TokenSource,
} from './encoder-source.ts'
import { FeatureCollector, gatheredClips } from './feature-collector.ts'
import { type OpenFeatureSession, openFeatureSession } from './feature-session.ts'
import { FeatureStore, type FeatureView } from './feature-store.ts'
import { clipBytesOf, clipRunNeed, requireClipRunMemory } from './memory.ts'
import { spatialViews, temporalViews } from './views.ts'

/** Which features are computed, from which frames, and where they are kept. */
export interface FeatureOptions extends EngineOptions {
  /** Default `pooled`. */
  readonly kind?: FeatureKind
  /** Of kind `pooled`: what features are of the tokens, such as `motion`; see `readTokens`. Default `mean`. */
  readonly readout?: string
  /**
   * Folder of the store: features of the same content, encoder and views, made on the same engine in the same precision from
   * frames of the same decoder, are computed once, whatever asks for them.
   */
  readonly cache: string
  /** Temporal and spatial views of every video, a row each. Default 1 and 1: the middle. */
  readonly clips?: number
  /** Spatial views of every video, a row each. Default 1: the middle. */
  readonly crops?: number
  /** Further clips of every video instead of views, a row each, the middle first; see `augmentationKinds`. */
  readonly augment?: readonly AugmentationKind[]
  /** Sliding windows instead of views: positions from one start to the next, by frame (or by time with `fps`). */
  readonly windowStep?: number | null
  /** Compute only these videos: number `index` of every `count`. */
  readonly shard?: { readonly index: number; readonly count: number } | null
  /** Default: the best engine that this machine has. */
  readonly engine?: string | null
  /** Clips in one run. Default 8. With 1, features do not depend on other videos; they are kept apart from those of larger runs. */
  readonly batch?: number
  /** Decoding processes. Default: one for each core. */
  readonly workers?: number
  /** What decodes videos. Default `node-av`. */
  readonly decoder?: DecoderName
  /** After which a video that is not decoded counts as unreadable. */
  readonly timeoutSeconds?: number
  /** Idle decoding processes of earlier calls, and where those of this one go in the end. Default: they end with the call. */
  readonly processes?: IdleProcesses
  /** Stops the work; the call rejects with its reason. */
  readonly signal?: AbortSignal
  /** Refuse what does not fit into memory. Default true. */
  readonly checkMemory?: boolean
  /** Programs on this machine that do the same next to this one, and this one. Default 1. */
  readonly programs?: number
  /** Videos of this shard that are done. */
  readonly onProgress?: (done: number, total: number) => void
}

/** A video whose features can be looked up. */
export interface FeaturedVideo<Video> {
  readonly video: Video
  readonly digest: string
}

/** A video whose features cannot be computed. */
export interface FeatureFailure<Video> {
  readonly id: string
  readonly code: string
  readonly reason: string
  /** The row itself: rows of several sources may share an id. */
  readonly video: Video
}

/** What is told of a failure: the row has the whole of its list behind it. */
export const toldFailure = ({ id, code, reason }: FeatureFailure<unknown>) => ({ id, code, reason })

/** Features of videos in a store on disk, and the videos that could not be read. */
export interface ComputedFeatures<Video extends VideoEntry> {
  /** Where the rows are; it is read by the digests of videos. */
  readonly store: FeatureStore
  /** Shape of one row: [D] or [N, D]. */
  readonly shape: readonly number[]
  /** Readable videos in the order they were given, of this shard. */
  readonly videos: readonly FeaturedVideo<Video>[]
  /** Videos that could not be read. */
  readonly failures: readonly FeatureFailure<Video>[]
  /** How many of them were computed now, not found in the store. */
  readonly computed: number
  /** SHA-256 of weights and architecture. */
  readonly encoder: string
  /** The full name of what features are of the tokens. */
  readonly readout: string
}

/**
 * Features of videos, each computed once and kept by the digest of its content. A run that was stopped continues where it
 * was; shards may run at the same time on one folder.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, `READOUT_UNKNOWN`, `READOUT_UNFIT`, `OUT_OF_MEMORY`, what the engine and the decoder throw; the signal's reason when aborted
 * @example
 * ```ts
 * import { computeFeatures, openEncoder } from 'videomae'
 * import { listVideos } from 'videomae/video'
 *
 * const encoder = await openEncoder('checkpoints/encoder')
 * const { videos } = await computeFeatures(encoder, listVideos('videos/left'), { cache: 'checkpoints/features' })
 * await encoder.close()
 * videos.length // => 6
 * ```
 */
export async function computeFeatures<Video extends VideoEntry & { readonly digest?: string | null }>(
  source: TokenSource,
  videos: readonly Video[],
  options: FeatureOptions,
): Promise<ComputedFeatures<Video>> {
  return computePlanned(await planFeatures(source, options), videos, options)
}

/** What features are computed by. */
export interface FeaturePlan extends Pick<FeatureProgram, 'program' | 'output' | 'state' | 'shape'> {
  readonly source: TokenSource
  /** Everything that the features depend on next to the videos. */
  readonly key: Readonly<Record<string, unknown>>
  readonly encoder: string
  readonly readout: string
  readonly batch: number
}

/** @throws VideoMaeError `INVALID_ARGUMENT`, `READOUT_UNKNOWN`, `READOUT_UNFIT` */
export async function planFeatures(source: TokenSource, options: FeatureOptions): Promise<FeaturePlan> {
  const {
    kind = 'pooled',
    clips = usualViews.features.clips,
    crops = usualViews.features.crops,
    windowStep = null,
    shard = null,
    batch = usualBatch.features,
  } = options
  const readout = readoutName(options.readout ?? 'mean')
  requireCount('clips', clips)
  requireCount('crops', crops)
  requireCount('batch', batch)
  if (windowStep !== null) requireCount('windowStep', windowStep)
  if (options.workers !== undefined) requireCount('workers', options.workers)
  if (options.threads !== undefined) requireCount('threads', options.threads)
  const whole = shard === null || (Number.isInteger(shard.index) && Number.isInteger(shard.count))
  if (shard !== null && !(whole && shard.index >= 0 && shard.index < shard.count)) {
    throw invalidArgument('shard', 'a number from 1 to the number of shards', `${shard.index + 1}/${shard.count}`)
  }
  if (windowStep !== null && clips * crops !== 1) {
    throw invalidArgument('clips and crops', '1 with sliding windows, which are already views', `${clips} and ${crops}`)
  }
  const { configuration, sampling } = source
  const { frames } = configuration
  const augmented = augmentationOf(source, options)
  const { program, output, state, digest: encoder, shape } = featureProgram(source, kind, batch, readout)
  const views =
    windowStep === null ? { clips, crops, sampling } : { windowStep, stride: sampling.stride, fps: sampling.fps }
  // `encoder` stands for everything in the configuration that decides the features.
  const read = readout === 'mean' ? {} : { readout } // Stores of earlier versions know none.
  const size = sizeKey(frameSize(configuration))
  const more = augmented === null ? {} : { augment: augmentationKey(augmented) }
  const key = { encoder, kind, ...read, views, ...more, frames, size, run: await runOf(options) }
  return { source, program, output, state, shape, key, encoder, readout, batch }
}

/**
 * `computeFeatures` by a plan of the same options.
 *
 * @param openSession opens the session where videos are missing; it is closed in the end
 */
export async function computePlanned<Video extends VideoEntry & { readonly digest?: string | null }>(
  plan: FeaturePlan,
  videos: readonly Video[],
  options: FeatureOptions,
  openSession: OpenFeatureSession = openFeatureSession,
): Promise<ComputedFeatures<Video>> {
  const { cache, shard = null, signal } = options
  const { source, key, encoder, readout, batch, shape } = plan
  const id = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 16)
  const width = shape.reduce((a, b) => a * b, 1)
  const store = await FeatureStore.open(cache, id, key, width)

  const mine = shard === null ? videos : videos.filter((_, i) => i % shard.count === shard.index)
  const { known, failures } = await withDigests(mine, signal)
  const missing = [...new Map(known.filter(({ digest }) => !store.has(digest)).map((v) => [v.digest, v])).values()]
  let done = mine.length - missing.length
  options.onProgress?.(done, mine.length)
  if (missing.length > 0) {
    const engine = await chooseEngine(options.engine ?? null, options)
    const clipBytes = clipBytesOf(source.configuration)
    if (options.checkMemory !== false)
      requireFeatureMemory(plan, options, { engine: engine.name, clipBytes, videos: missing.length })
    const session = await openSession(engine, plan, { batch, clipBytes }, options)
    try {
      const collector = new FeatureCollector(store, (all) => session.features(all), batch)
      for await (const loaded of loadViews(
        source,
        missing.map(({ video }) => video),
        options,
      )) {
        if (!loaded.ok) {
          const { digest } = missing[loaded.index]
          // Its copies cannot be read either.
          for (const { video } of known.filter((other) => other.digest === digest))
            failures.push({ id: video.id, code: loaded.code, reason: loaded.reason, video })
          collector.drop(digest)
        } else await collector.add(missing[loaded.index].digest, loaded)
        if (!loaded.ok || loaded.last) options.onProgress?.(++done, mine.length)
      }
      await collector.flush()
    } finally {
      await session.close()
    }
  }
  return {
    store,
    shape,
    // By content, not by id: videos of two sources may share one.
    videos: known.filter(({ digest }) => store.has(digest)),
    failures,
    computed: missing.filter(({ digest }) => store.has(digest)).length,
    encoder,
    readout,
  }
}

/** @throws VideoMaeError `OUT_OF_MEMORY` with the numbers */
function requireFeatureMemory(
  { source, program, batch }: FeaturePlan,
  options: FeatureOptions,
  { engine, clipBytes, videos }: { readonly engine: string; readonly clipBytes: number; readonly videos: number },
): void {
  const {
    clips = usualViews.features.clips,
    crops = usualViews.features.crops,
    windowStep = null,
    workers,
    precision,
    programs,
  } = options
  const given =
    windowStep === null
      ? { views: augmentationOf(source, options)?.variants.length ?? clips * crops, videos }
      : { views: windowsAtOnce, ahead: 3 } // those in use and the next ones, which are copied when they are decoded
  const gathered = gatheredClips(batch, given.views)
  requireClipRunMemory(
    clipRunNeed({
      ...{ engine, options: { precision }, program, weights: bytesOfWeights(source) },
      clips: { ...given, workers, programs, clipBytes, gathered },
    }),
  )
}

/** One number for a square, as stores of earlier versions have it. */
function sizeKey({ height, width, resize }: FrameSize): unknown {
  return height === width && resize === undefined ? height : { height, width, resize }
}

/**
 * How features are made, of the engine only its record: it need not run here where nothing is missing. bfloat16 changes
 * them visibly, another decoder may give other colors, another engine or processor level rounds differently: rows of one
 * store are all made alike. Certificates need to know that each clip was alone in its run (`alone`);
 * how many clips larger runs have is left out: it moves only the last bits.
 */
async function runOf({ batch, engine, precision = 'float32', decoder = 'node-av' }: FeatureOptions) {
  // By the name of the engine that runs: `auto` is none, and another engine gives other features.
  return { alone: batch === 1, engine: await engineRecord(engine ?? null), precision, decoder }
}

async function withDigests<Video extends VideoEntry & { readonly digest?: string | null }>(
  videos: readonly Video[],
  signal: AbortSignal | undefined,
) {
  const known: FeaturedVideo<Video>[] = []
  const failures: FeatureFailure<Video>[] = []
  for (const video of videos) {
    signal?.throwIfAborted()
    try {
      if (typeof video.digest === 'string') known.push({ video, digest: video.digest })
      else {
        const content = await digestFile(video.path, { signal })
        known.push({ video: { ...video, content }, digest: contentDigest(content.digest, video) })
      }
    } catch (error) {
      signal?.throwIfAborted()
      failures.push({ id: video.id, code: 'VIDEO_UNREADABLE', reason: (error as Error).message, video })
    }
  }
  return { known, failures }
}

/** @throws VideoMaeError `INVALID_ARGUMENT` together with other views, and what `planAugmentation` throws */
function augmentationOf({ configuration, sampling }: TokenSource, options: FeatureOptions) {
  const { augment, clips = usualViews.features.clips, crops = usualViews.features.crops, windowStep = null } = options
  if (augment === undefined) return null
  if (windowStep !== null || clips * crops !== 1)
    throw unusedArgument('augment', 'together with other views of the same videos', augment.join(','))
  return planAugmentation(augment, sampling, configuration.frames)
}

async function* loadViews(source: TokenSource, entries: readonly VideoEntry[], options: FeatureOptions) {
  const {
    clips = usualViews.features.clips,
    crops = usualViews.features.crops,
    windowStep = null,
    workers,
    decoder,
    timeoutSeconds,
    processes,
    signal,
  } = options
  const { configuration, sampling } = source
  const { frames } = configuration
  const loading = { entries, size: frameSize(configuration), workers, decoder, timeoutSeconds, processes, signal }
  const augmented = augmentationOf(source, options)
  if (augmented !== null) {
    const { samplings, crops: boxes } = augmented
    for await (const loaded of loadClips({ ...loading, samplings, crops: boxes })) {
      if (!loaded.ok) yield loaded
      else {
        const { clips: made, views } = augmentedClips(augmented, loaded, loading.size)
        yield { ...loaded, clips: made, views: views.map((view, i) => positioned(view, i, 0)), last: true }
      }
    }
    return
  }
  if (windowStep === null) {
    const samplings = temporalViews(sampling, frames, clips)
    for await (const loaded of loadClips({ ...loading, samplings, crops: spatialViews(crops) })) {
      if (!loaded.ok) yield loaded
      else {
        const views = loaded.views.map((view, i) => positioned(view, Math.floor(i / crops), i % crops))
        yield { ...loaded, views, last: true }
      }
    }
    return
  }
  for await (const loaded of loadWindows({ ...loading, frames, ...positionsOf(sampling), step: windowStep })) {
    if (!loaded.ok) yield loaded
    else {
      const views = loaded.views.map((view, i) => positioned(view, loaded.first + i, 0))
      yield { ...loaded, views, last: loaded.first + views.length === loaded.total }
    }
  }
}

function positioned({ frames, startSeconds }: ClipView, clip: number, crop: number): FeatureView {
  return { clip, crop, startSeconds, firstFrame: frames[0], lastFrame: frames[frames.length - 1] }
}
