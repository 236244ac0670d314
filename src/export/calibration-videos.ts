/** The videos that bounds of activations are measured on. */
import { selectPart } from '../dataset/split.ts'
import { readingLines } from '../video/reading.ts'
import { readVideos } from '../video/source.ts'
import type { VideoEntry } from '../video/types.ts'

/**
 * The training videos of a folder or a list, or all of them where there is no split. Their labels are not used: any videos like those
 * that come later will do.
 *
 * @returns the videos, and lines that say how the source was read
 * @throws VideoMaeError `SPLIT_INVALID` for a split without training videos; what `readVideos` throws
 */
export function calibrationVideos(source: string): {
  readonly videos: readonly VideoEntry[]
  readonly lines: readonly string[]
} {
  const { entries, sources } = readVideos(source, { labelFromFolder: true })
  const { chosen, leftOut } = selectPart(entries, 'train')
  const others =
    leftOut.length === 0 ? [] : [`${chosen.length} training videos; ${leftOut.length} of other parts left out`]
  return { videos: chosen, lines: [...sources.flatMap(readingLines), ...others] }
}
