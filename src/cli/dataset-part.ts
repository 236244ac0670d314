/** The part of labelled data that a command works on, and the lines that say how the data was read. */
import type { LabelledDataset, LabelledVideo } from '../dataset/dataset.ts'
import { selectPart } from '../dataset/split.ts'
import type { SplitName } from '../dataset/split-part.ts'
import { formatSplitRecord, recordSplit, type SplitRecord } from '../dataset/split-record.ts'
import { readingLines } from '../video/reading.ts'

export interface DatasetPart {
  readonly videos: readonly LabelledVideo[]
  readonly rows: SplitRecord
  /** How each source was read, what was noticed, and which rows were left out. */
  readonly lines: readonly string[]
}

/**
 * @param split `all`: every video counts as one to test on
 * @throws VideoMaeError what `selectPart` throws
 */
export function partOfDataset(dataset: LabelledDataset, split: SplitName | 'all'): DatasetPart {
  const { chosen: videos, leftOut } = selectPart(dataset.videos, split)
  const part = split === 'all' ? 'test' : split
  const rows = recordSplit(dataset.videos, { [part]: videos }, [...dataset.leftOut, ...leftOut])
  return { videos, rows, lines: [...dataset.sources.flatMap(readingLines), ...dataset.notes, formatSplitRecord(rows)] }
}
