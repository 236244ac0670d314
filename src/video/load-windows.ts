import { requireCount } from '../core/counts.ts'
import { frameSizeOf } from '../core/frame-size.ts'
import { type ClipRequest, type ClipView, clipBytes } from './clip.ts'
import type { LoadClipsOptions } from './load-clips.ts'
import { DecodePool } from './pool.ts'
import type { UnreadableVideo, VideoEntry } from './types.ts'

/** Which videos are read in sliding windows, and the distance between windows. */
export interface LoadWindowsOptions extends Omit<LoadClipsOptions, 'samplings' | 'crops' | 'prefetch'> {
  /** Frames of a window that the model sees, and positions from one to the next. */
  readonly frames: number
  /** Frames of the file from one frame of a window to the next. */
  readonly stride: number
  /** Sample by time at this rate instead of by frame index. */
  readonly fps?: number
  /** Positions from the start of one window to the start of the next. */
  readonly step: number
}

/** Some neighboring windows of one video. */
export type LoadedWindows = {
  /** Index into the entries. */
  readonly index: number
  /** The video, or the part of one. */
  readonly entry: VideoEntry
} & (
  | {
      /** Tells it from a video that could not be read. */
      readonly ok: true
      /** Number of the first of these windows, and how many the video has. */
      readonly first: number
      /** Windows of the whole video. */
      readonly total: number
      /** uint8 [windows][frames][height][width][3], RGB, the center of the picture. */
      readonly clips: Uint8Array
      /** How each window was made. */
      readonly views: readonly ClipView[]
    }
  | UnreadableVideo
)

/** Windows that are decoded together; a long video must not fill the memory. */
export const windowsAtOnce = 16

/**
 * All windows of every video, in order, for temporal action detection: starts 0, step, 2 step, ... as long as a whole
 * window fits; a shorter video has one window that repeats its last frame. A video of which a window cannot be read is
 * yielded as a failure, and its other windows count for nothing.
 *
 * @throws VideoMaeError `DECODER_MISSING`, `DECODER_RESOURCES`; the signal's reason when aborted
 */
export async function* loadWindows(options: LoadWindowsOptions): AsyncGenerator<LoadedWindows, void, undefined> {
  const { entries, frames, stride, fps, step, size, seed = 0, signal } = options
  requireCount('windowStep', step, 'step')
  if (entries.length === 0) return
  const request = (index: number, start: number): ClipRequest => ({
    entry: entries[index],
    sampling: { kind: 'window', frames, stride, fps, start },
    crops: [{ kind: 'center' }],
    output: frameSizeOf(size),
    key: [seed, 0, index],
  })
  const bytes = clipBytes(request(0, 0))
  const pool = new DecodePool({
    decoder: options.decoder ?? 'node-av',
    limits: options.limits ?? {},
    workers: options.workers,
    timeoutSeconds: options.timeoutSeconds,
    slotBytes: bytes,
    growing: true,
    processes: options.processes,
    signal,
    mostRequests: windowsAtOnce,
  })

  /** `total` is null for the first windows: the first one tells how long the video is, and with that how many there are. */
  const load = async (index: number, first: number, total: number | null): Promise<LoadedWindows> => {
    const entry = entries[index]
    const windows = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => pool.read(request(index, (from + i) * step)))
    const outcomes = total === null ? await Promise.all(windows(0, 1)) : []
    let all = total
    if (outcomes[0]?.ok === true) {
      const span = (frames - 1) * stride + 1
      all = Math.max(1, Math.floor((outcomes[0].result.length - span) / step) + 1)
    }
    const until = Math.min(all ?? 0, first + windowsAtOnce)
    const from = first + outcomes.length
    outcomes.push(...(await Promise.all(windows(from, Math.max(0, until - from)))))
    const clips = new Uint8Array(outcomes.length * bytes)
    const views: ClipView[] = []
    for (const [i, outcome] of outcomes.entries()) {
      if (!outcome.ok) return { index, entry, ok: false, code: outcome.failure.code, reason: outcome.failure.reason }
      clips.set(outcome.clips, i * bytes)
      views.push(...outcome.result.views)
    }
    return { index, entry, ok: true, first, total: all ?? 0, clips, views }
  }
  try {
    let loading: Promise<LoadedWindows> | null = load(0, 0, null)
    while (loading !== null) {
      const loaded: LoadedWindows = await loading
      const after = loaded.ok ? loaded.first + loaded.views.length : 0
      const next: number = loaded.index + 1
      if (loaded.ok && after < loaded.total) loading = load(loaded.index, after, loaded.total)
      else loading = next < entries.length ? load(next, 0, null) : null
      loading?.catch(() => undefined) // Reported where it is awaited.
      yield loaded
    }
  } finally {
    await pool.close()
  }
}
