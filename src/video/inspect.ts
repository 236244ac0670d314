import { unusedArgument } from '../core/errors.ts'
import { defaultTimeoutSeconds } from './limits.ts'
import { DecodePool } from './pool.ts'
import type { SourceReading } from './reading.ts'
import { type ListOptions, readVideos } from './source.ts'
import type { DecoderLimits, DecoderName, VideoEntry, VideoInfo } from './types.ts'

/** Which decoder inspects videos, and its limits. */
export interface InspectOptions extends ListOptions {
  /** What decodes videos. Default `node-av`. */
  readonly decoder?: DecoderName
  /** What a decoder may take. */
  readonly limits?: DecoderLimits
  /** Processes. Default: one per core. */
  readonly workers?: number
  /** Processor seconds one file may take; four times as many when it is tried again. Default 60. */
  readonly timeoutSeconds?: number
  /** Stops the work; the call rejects with its reason. */
  readonly signal?: AbortSignal
  /** Called as files are done, with their number and the total. */
  readonly onProgress?: (done: number, total: number) => void
}

/** What was found out about one video. */
export interface InspectedVideo {
  /** The video, or the part of one. */
  readonly entry: VideoEntry
  /** What the file says of itself; absent when it cannot be opened. */
  readonly info?: VideoInfo
  /** Frames that sampling would count. */
  readonly frames?: number
  /** Why the file cannot be used: a stable code and one line. */
  readonly problem?: { readonly code: string; readonly reason: string }
}

/** What was found out about videos, one by one and together. */
export interface InspectReport {
  /** How each source was read: every file, line and column is in `videos` or named here. */
  readonly sources: readonly SourceReading[]
  /** In the order in which they were named. */
  readonly videos: readonly InspectedVideo[]
  /** Videos without a problem. */
  readonly usable: number
  /** Videos with a problem, and what `sources` name as unusable. */
  readonly unusable: number
  /** Seconds of all usable videos. */
  readonly seconds: number
  /** Bytes of all usable videos. */
  readonly bytes: number
}

/**
 * Looks at every video of a source: opens it, counts its frames, and decodes its first, middle and last one. What is reported usable has yielded pictures.
 * Runs in decoding processes, so that a file that crashes or hangs a decoder is a line of the report.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for `base` without a list; as `readVideos`, or `DECODER_MISSING`, `DECODER_RESOURCES`
 */
export async function inspectVideos(
  source: string | readonly string[],
  options: InspectOptions = {},
): Promise<InspectReport> {
  const { entries, sources } = readVideos(source, { labelFromFolder: true, ...options })
  if (options.base !== undefined && sources.every(({ kind }) => kind !== 'list'))
    throw unusedArgument('base', 'without a list (only lists have relative paths)', options.base)
  const pool = new DecodePool({
    decoder: options.decoder ?? 'node-av',
    limits: options.limits ?? {},
    workers: options.workers,
    timeoutSeconds: options.timeoutSeconds ?? defaultTimeoutSeconds,
    slotBytes: probeSize * probeSize * 3 * probeFrames,
    growing: true,
    signal: options.signal,
    mostRequests: entries.length,
  })
  let done = 0
  try {
    const videos = await Promise.all(
      entries.map(async (entry) => {
        const video = await inspectOne(pool, entry)
        options.onProgress?.(++done, entries.length)
        return video
      }),
    )
    const good = videos.filter(({ problem }) => problem === undefined)
    return {
      sources,
      videos,
      usable: good.length,
      unusable: videos.length - good.length + sources.reduce((sum, { unusable }) => sum + unusable.length, 0),
      seconds: good.reduce((sum, { info }) => sum + (info?.duration ?? 0), 0),
      bytes: videos.reduce((sum, { info }) => sum + (info?.bytes ?? 0), 0),
    }
  } finally {
    await pool.close()
  }
}

const probeFrames = 3
const probeSize = 16

async function inspectOne(pool: DecodePool, entry: VideoEntry): Promise<InspectedVideo> {
  const outcome = await pool.read({
    entry,
    sampling: { kind: 'spread', frames: probeFrames },
    crops: [{ kind: 'whole' }],
    output: { width: probeSize, height: probeSize },
    key: [0],
  })
  if (!outcome.ok) return { entry, problem: { code: outcome.failure.code, reason: outcome.failure.reason } }
  const { info, frameCount } = outcome.result
  // Some containers do not state a duration.
  const duration = info.duration > 0 || info.fps === 0 ? info.duration : frameCount / info.fps
  return { entry, info: { ...info, duration }, frames: frameCount }
}
