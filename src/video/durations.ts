import type { ClipRequest } from './clip.ts'
import { clipBytes } from './clip.ts'
import type { LoadClipsOptions } from './load-clips.ts'
import { DecodePool } from './pool.ts'

/** How long a video, or a part of one, is, or why that is not known. */
export type VideoDuration =
  | { readonly ok: true; readonly seconds: number }
  | { readonly ok: false; readonly code: string; readonly reason: string }

/** Positions of a second: durations are whole milliseconds. */
const perSecond = 1000

/**
 * Durations of videos, from the first frame that is used to the end of the last one, in the order of the entries. The times of the
 * frames count, not what a container says of itself.
 *
 * @throws VideoMaeError `DECODER_MISSING`, `DECODER_RESOURCES`; the signal's reason when aborted
 */
export async function videoDurations({
  entries,
  signal,
  ...options
}: Omit<LoadClipsOptions, 'samplings' | 'crops' | 'size' | 'prefetch'>): Promise<VideoDuration[]> {
  if (entries.length === 0) return []
  const request = (index: number): ClipRequest => ({
    entry: entries[index],
    sampling: { kind: 'window', frames: 1, stride: 1, fps: perSecond, start: 0 },
    crops: [{ kind: 'whole' }],
    output: { height: 16, width: 16 },
    key: [0, 0, index],
  })
  const pool = new DecodePool({
    decoder: options.decoder ?? 'node-av',
    limits: options.limits ?? {},
    workers: options.workers,
    timeoutSeconds: options.timeoutSeconds,
    slotBytes: clipBytes(request(0)),
    growing: true,
    processes: options.processes,
    signal,
    mostRequests: entries.length,
  })
  try {
    const durations = entries.map(async (_, index): Promise<VideoDuration> => {
      const outcome = await pool.read(request(index))
      return outcome.ok
        ? { ok: true, seconds: outcome.result.length / perSecond }
        : { ok: false, code: outcome.failure.code, reason: outcome.failure.reason }
    })
    return await Promise.all(durations)
  } finally {
    await pool.close()
  }
}
