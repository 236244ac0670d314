import type { VideoEntry } from './types.ts'
import { videoError } from './video-errors.ts'

/**
 * The frames that sampling counts: `length` positions, each showing one frame of the file. By index, a position is a frame; by time (`fps`), position j is
 * the frame on screen j / fps seconds after the start, so that stride and span mean the same duration for sources of any rate.
 */
export interface Timeline {
  readonly length: number
  frameAt(position: number): number
}

/** Seconds by which a time stamp may be rounded: Matroska counts milliseconds. */
const tolerance = 1e-3

/**
 * @param times seconds of every frame, ascending, the first 0
 * @param entry its `start` and `end` cut the timeline; the frame shown at `start` is the first, no used frame begins at or after `end`
 * @param fps positions per second; by index when absent
 * @throws VideoMaeError `VIDEO_NO_FRAMES`, or `VIDEO_PART_EMPTY` when start and end leave nothing
 */
export function createTimeline(
  times: Float64Array,
  entry: Pick<VideoEntry, 'path' | 'start' | 'end'>,
  fps?: number,
): Timeline {
  if (times.length === 0) throw videoError('VIDEO_NO_FRAMES', entry.path, 'no frame can be decoded')
  const first = entry.start === undefined ? 0 : Math.max(0, shownAt(times, entry.start))
  const end = entry.end === undefined ? times.length : countBefore(times, entry.end - tolerance)
  const lastTime = times[times.length - 1]
  if (end <= first || (entry.start ?? 0) > lastTime + frameLength(times)) {
    throw videoError(
      'VIDEO_PART_EMPTY',
      entry.path,
      `expected frames between ${entry.start ?? 0} s and ${entry.end ?? 'the end'}, but the video ends at ${lastTime.toFixed(3)} s`,
    )
  }
  if (fps === undefined) return { length: end - first, frameAt: (position) => first + position }
  const from = Math.max(entry.start ?? 0, times[first])
  const until = end < times.length ? Math.min(entry.end ?? times[end], times[end]) : lastTime + frameLength(times)
  // A tenth of a position of tolerance: both ends may be rounded.
  const length = Math.max(1, Math.floor((until - from) * fps + 0.1))
  return {
    length,
    frameAt: (position) => Math.min(end - 1, Math.max(first, shownAt(times, from + position / fps))),
  }
}

/** Index of the last frame that begins at or before a time; -1 before the first. */
function shownAt(times: Float64Array, seconds: number): number {
  return countBefore(times, seconds + tolerance) - 1
}

/** Number of frames that begin before a time. */
function countBefore(times: Float64Array, seconds: number): number {
  let low = 0
  let high = times.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (times[middle] < seconds) low = middle + 1
    else high = middle
  }
  return low
}

/** How long the last frame is shown: as long as the median frame (gaps of many seconds must not stretch it). */
function frameLength(times: Float64Array): number {
  if (times.length < 2) return 1 / 25
  const steps = new Float64Array(times.length - 1)
  for (let i = 0; i < steps.length; i++) steps[i] = times[i + 1] - times[i]
  return steps.sort()[steps.length >> 1]
}
