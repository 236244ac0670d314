/** Whether videos would be decoded faster if they were prepared, as far as reading a few of them tells. */
import { encodeDefaults } from './encode-defaults.ts'
import { type MeasuringOptions, spread, withTrainingClips } from './training-clips.ts'
import type { VideoEntry, VideoInfo } from './types.ts'

export interface PreparingAdvice {
  /** Videos that were measured. */
  readonly measured: number
  /** Share of the time of a training clip that goes by decoding; the rest is cropping and scaling. */
  readonly decodeShare: number
  /** Median of the shorter sides, in pixels. */
  readonly shorterSide: number
}

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
  options: MeasuringOptions = {},
): Promise<PreparingAdvice | null> {
  const sides = videos.map(({ info }) => Math.min(info.width, info.height)).sort((a, b) => a - b)
  const shorterSide = sides[sides.length >> 1] ?? 0
  // Scaling to about the same size gains little.
  if (shorterSide <= encodeDefaults.size || videos.some(({ entry }) => entry.original !== undefined)) return null
  const chosen = spread(videos, mostMeasured)
  return withTrainingClips(chosen[0].entry.path, options, async (reading) => {
    if (!reading.exact) return null
    let [one, two] = [0, 0]
    for (const { entry } of chosen) {
      for (let key = 0; key < clips; key++) {
        one += await reading.seconds(entry.path, key)
        // A second crop of the same frames costs only cropping and scaling.
        two += await reading.seconds(entry.path, key, 2)
      }
    }
    const decodeShare = decodeShareOf(one, two)
    return decodeShare < leastShare ? null : { measured: chosen.length, decodeShare, shorterSide }
  })
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
