import { invalidArgument } from '../core/errors.ts'
import { type ClipRequest, type ClipView, clipBytes } from './clip.ts'
import type { LoadClipsOptions } from './load-clips.ts'
import { DecodePool } from './pool.ts'
import type { VideoEntry } from './types.ts'

export interface LoadWindowsOptions extends Omit<LoadClipsOptions, 'samplings' | 'crops' | 'prefetch'> {
  /** Frames of a window that the model sees, and positions from one to the next. */
  readonly frames: number
  readonly stride: number
  /** Sample by time at this rate instead of by frame index. */
  readonly fps?: number
  /** Positions from the start of one window to the start of the next. */
  readonly step: number
}

export type LoadedWindows = {
  /** Index into the entries. */
  readonly index: number
  readonly entry: VideoEntry
} & (
  | {
      readonly ok: true
      /** uint8 [windows][frames][size][size][3], RGB, the centre of the picture. */
      readonly clips: Uint8Array
      readonly views: readonly ClipView[]
    }
  | { readonly ok: false; readonly code: string; readonly reason: string }
)

/**
 * All windows of every video, in the order of the entries, for temporal action detection: starts 0, step, 2 step, ... as
 * long as a whole window fits; a shorter video has one window that repeats its last frame.
 *
 * @throws VideoMaeError `DECODER_MISSING`; the signal's reason when aborted
 */
export async function* loadWindows(options: LoadWindowsOptions): AsyncGenerator<LoadedWindows, void, undefined> {
  const { entries, frames, stride, fps, step, size, seed = 0, signal } = options
  if (!Number.isInteger(step) || step < 1) throw invalidArgument('step', 'a positive integer', step)
  if (entries.length === 0) return
  const request = (index: number, start: number): ClipRequest => ({
    entry: entries[index],
    sampling: { kind: 'window', frames, stride, fps, start },
    crops: [{ kind: 'center' }],
    output: { width: size, height: size },
    key: [seed, 0, index],
  })
  const bytes = clipBytes(request(0, 0))
  const pool = new DecodePool({
    decoder: options.decoder ?? 'node-av',
    limits: options.limits ?? {},
    workers: options.workers,
    timeoutSeconds: options.timeoutSeconds,
    slotBytes: bytes,
  })
  const stop = (): void => void pool.close(signal?.reason)
  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted) stop()
  try {
    let upcoming: Promise<LoadedWindows> | null = load(0)
    for (let index = 0; index < entries.length; index++) {
      const loaded: LoadedWindows = await upcoming!
      upcoming = index + 1 < entries.length ? load(index + 1) : null
      upcoming?.catch(() => undefined) // Reported where it is awaited.
      yield loaded
    }
  } finally {
    signal?.removeEventListener('abort', stop)
    await pool.close()
  }

  /** The first window tells how long the video is, and with that how many there are. */
  async function load(index: number): Promise<LoadedWindows> {
    const entry = entries[index]
    const first = await pool.read(request(index, 0))
    if (!first.ok) return { index, entry, ok: false, ...first.failure }
    const span = (frames - 1) * stride + 1
    const count = Math.max(1, Math.floor((first.result.length - span) / step) + 1)
    const clips = new Uint8Array(count * bytes)
    clips.set(first.clips)
    const rest = await Promise.all(
      Array.from({ length: count - 1 }, (_, i) =>
        pool.read(request(index, (i + 1) * step), clips.subarray((i + 1) * bytes, (i + 2) * bytes)),
      ),
    )
    const views = [...first.result.views]
    for (const outcome of rest) {
      if (!outcome.ok) return { index, entry, ok: false, ...outcome.failure }
      views.push(...outcome.result.views)
    }
    return { index, entry, ok: true, clips, views }
  }
}
