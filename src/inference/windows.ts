/** Long videos as a time line of windows. */
import { invalidArgument } from '../core/errors.ts'
import type { VideoDuration } from '../video/durations.ts'
import type { VideoEntry } from '../video/types.ts'

/** Windows of one video. More would be a mistake in the length of a window. */
const mostWindows = 100_000

/** @throws VideoMaeError `INVALID_ARGUMENT` */
export function requireWindowSeconds(seconds: number): void {
  if (!(Number.isFinite(seconds) && seconds >= 0.04))
    throw invalidArgument('windowSeconds', 'seconds, at least 0.04', seconds)
}

/**
 * The windows of a video, one after the other from its start to its end. A rest shorter than half a window belongs to the window before
 * it, so that no class is named from a few frames; a video shorter than a window is one window.
 *
 * @param duration seconds of the video, or of the part that the entry names
 * @throws VideoMaeError `INVALID_ARGUMENT` for more than 100,000 windows
 */
export function windowsOf(entry: VideoEntry, duration: number, seconds: number): VideoEntry[] {
  const count = Math.max(1, Math.floor(duration / seconds + 0.5))
  if (count > mostWindows)
    throw invalidArgument(
      'windowSeconds',
      `a length that gives ${entry.path} at most ${mostWindows} windows`,
      seconds,
      `The video has ${duration} seconds.`,
    )
  const start = entry.start ?? 0
  const at = (k: number): number => Number((start + k * seconds).toFixed(3))
  return Array.from({ length: count }, (_, k) => ({
    ...entry,
    start: at(k),
    end: k + 1 < count ? at(k + 1) : (entry.end ?? Number((start + duration).toFixed(3))),
  }))
}

/** What is predicted: windows of readable videos; others stay as they are and say why. */
export interface WindowedEntries {
  readonly entries: readonly VideoEntry[]
  /** [entries] */
  readonly failures: readonly (Extract<VideoDuration, { ok: false }> | null)[]
}

/** @throws VideoMaeError as `windowsOf` */
export function withWindows(
  entries: readonly VideoEntry[],
  durations: readonly VideoDuration[],
  seconds: number,
): WindowedEntries {
  const all = entries.flatMap((entry, i): { entry: VideoEntry; failure: WindowedEntries['failures'][number] }[] => {
    const duration = durations[i]
    if (!duration.ok) return [{ entry, failure: duration }]
    return windowsOf(entry, duration.seconds, seconds).map((window) => ({ entry: window, failure: null }))
  })
  return { entries: all.map(({ entry }) => entry), failures: all.map(({ failure }) => failure) }
}
