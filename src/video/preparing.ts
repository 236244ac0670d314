/** Whether videos would be decoded faster if they were prepared, as far as reading a few of them tells. */
import { DecodePool } from './pool.ts'
import { TrainingClips } from './training-clips.ts'
import type { VideoEntry, VideoInfo } from './types.ts'

export interface PreparingAdvice {
  /** Videos that were measured. */
  readonly measured: number
  /** Share of the time of a training clip that goes by decoding; the rest is cropping and scaling. */
  readonly decodeShare: number
  /** Median of the shorter sides, in pixels. */
  readonly shorterSide: number
}

/** Pixels of prepared videos; a shorter side near it gains little by scaling. */
const preparedSide = 256
/** From here on preparing pays: decoding small pictures in short groups takes about half of a clip's time, too. */
const leastShare = 0.6
const mostMeasured = 5
const clips = 3

/**
 * @param videos that can be used; at most a few are read
 * @returns null where preparing would not pay, the videos are prepared, or the machine does not tell processor time
 */
export async function preparingAdvice(
  videos: readonly { readonly entry: VideoEntry; readonly info: VideoInfo }[],
  options: { readonly timeoutSeconds?: number; readonly signal?: AbortSignal } = {},
): Promise<PreparingAdvice | null> {
  const { signal } = options
  const sides = videos.map(({ info }) => Math.min(info.width, info.height)).sort((a, b) => a - b)
  const shorterSide = sides[sides.length >> 1] ?? 0
  if (shorterSide <= preparedSide || videos.some(({ entry }) => entry.original !== undefined)) return null
  const count = Math.min(mostMeasured, videos.length)
  const chosen = Array.from({ length: count }, (_, i) => videos[Math.floor(((i + 0.5) * videos.length) / count)])
  const pool = new DecodePool({
    decoder: 'node-av',
    limits: {},
    workers: 1,
    timeoutSeconds: options.timeoutSeconds,
    slotBytes: TrainingClips.bytes,
  })
  const stop = (): void => void pool.close(signal?.reason)
  signal?.addEventListener('abort', stop, { once: true })
  const reading = new TrainingClips(pool)
  let [one, two] = [0, 0]
  try {
    signal?.throwIfAborted()
    await reading.seconds(chosen[0].entry.path, 0) // The start of the process does not count.
    if (!reading.exact) return null
    for (const { entry } of chosen) {
      for (let key = 0; key < clips; key++) {
        one += await reading.seconds(entry.path, key)
        // A second crop of the same frames costs only cropping and scaling.
        two += await reading.seconds(entry.path, key, 2)
      }
    }
  } finally {
    signal?.removeEventListener('abort', stop)
    await pool.close()
  }
  const decodeShare = decodeShareOf(one, two)
  return decodeShare < leastShare ? null : { measured: count, decodeShare, shorterSide }
}

/**
 * Share of the time of a clip that goes by decoding.
 *
 * @param one time of clips with one crop
 * @param two time of the same clips with two crops of the same frames
 */
export function decodeShareOf(one: number, two: number): number {
  return one === 0 ? 0 : Math.min(1, Math.max(0, (2 * one - two) / one))
}
