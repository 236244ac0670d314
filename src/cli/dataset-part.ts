/** The part of labeled data that a command works on, and the lines that say how the data was read. */
import { invalidArgument } from '../core/errors.ts'
import type { LabeledDataset, LabeledVideo } from '../dataset/dataset.ts'
import { selectPart } from '../dataset/split.ts'
import type { SplitName } from '../dataset/split-part.ts'
import { formatSplitRecord, recordSplit, type SplitRecord } from '../dataset/split-record.ts'
import { readingLines } from '../video/reading.ts'

export interface DatasetPart {
  readonly videos: readonly LabeledVideo[]
  readonly rows: SplitRecord
  /** How each source was read, what was noticed, and which rows were left out. */
  readonly lines: readonly string[]
}

/**
 * @param split `all`: every video counts as one to test on
 * @param asked whether the user asked for this part: then there has to be a split
 * @throws VideoMaeError `INVALID_ARGUMENT` for a part of data that has no split, and what `selectPart` throws
 */
export function partOfDataset(dataset: LabeledDataset, split: SplitName | 'all', asked = false): DatasetPart {
  if (asked && split !== 'all' && dataset.videos.every((video) => video.split === undefined))
    throw invalidArgument(
      '--split',
      'all, because the data has no split column',
      split,
      'Leave --split out to use all videos, or name a list with a split column.',
    )
  const { chosen: videos, leftOut } = selectPart(dataset.videos, split)
  const part = split === 'all' ? 'test' : split
  const rows = recordSplit(dataset.videos, { [part]: videos }, [...dataset.leftOut, ...leftOut])
  return { videos, rows, lines: [...dataset.sources.flatMap(readingLines), ...dataset.notes, formatSplitRecord(rows)] }
}
