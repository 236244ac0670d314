/**
 * Where every row of labeled data went. Each row is in exactly one of training, validation, test, or left out with a reason:
 * results and certificates state this record, so that no row vanishes without a word.
 */
import { VideoMaeError } from '../core/errors.ts'
import type { SplitName } from './split-part.ts'

/**
 * Why a row is in no part:
 * - `unusable`: a broken link, a name that is not UTF-8, a folder or device in the place of a file
 * - `repeated`: the list names the same part of the same file on an earlier line
 * - `unreadable`: the file cannot be read or decoded
 * - `other part`: the list puts it in a part that the command does not use, or in none (`unused`)
 * - `shots`: more training videos of its class than requested
 */
export type LeftOutCode = 'unusable' | 'repeated' | 'unreadable' | 'other part' | 'shots'

/** A row that is in no part. */
export interface LeftOut {
  /** Id of the video; where it has none, what the list or the folder says in its place. */
  readonly id: string
  readonly code: LeftOutCode
  /** One line for people. */
  readonly reason: string
}

/** Counts of all rows, and every row that is in no part. */
export interface SplitRecord {
  /** train + validation + test + leftOut.length */
  readonly rows: number
  readonly train: number
  readonly validation: number
  readonly test: number
  readonly leftOut: readonly LeftOut[]
}

/**
 * Makes the record of a split and checks that it is complete.
 *
 * @param videos every video of the data, before it was divided (`LabeledDataset.videos`)
 * @param parts the videos of each part that the command uses
 * @param leftOut rows of `videos` that are in no part, and rows that never became a video (`LabeledDataset.leftOut`)
 * @throws VideoMaeError `SPLIT_INCOMPLETE` (a defect of the program) where a video is in two parts, or in none
 */
export function recordSplit(
  videos: readonly { readonly id: string }[],
  parts: Partial<Readonly<Record<SplitName, readonly { readonly id: string }[]>>>,
  leftOut: readonly LeftOut[],
): SplitRecord {
  const { train = [], validation = [], test = [] } = parts
  const counts = new Map<string, number>()
  // What stands for a row that never became a video may read like the id of one.
  const outOfVideos = leftOut.filter(({ code }) => code !== 'unusable' && code !== 'repeated')
  for (const { id } of [...train, ...validation, ...test, ...outOfVideos]) counts.set(id, (counts.get(id) ?? 0) + 1)
  for (const { id } of videos) {
    const count = counts.get(id) ?? 0
    if (count === 1) continue
    throw new VideoMaeError(`Expected ${id} in one part of the split or left out, but it is in ${count} parts.`, {
      code: 'SPLIT_INCOMPLETE',
      hint: 'Please report this: it is a bug in the program.',
    })
  }
  return {
    rows: train.length + validation.length + test.length + leftOut.length,
    train: train.length,
    validation: validation.length,
    test: test.length,
    leftOut,
  }
}

/** The record of data whose videos are all in a part, but for those beyond `shots`. */
export function recordOfSplit(
  { videos, leftOut }: { readonly videos: readonly { readonly id: string }[]; readonly leftOut: readonly LeftOut[] },
  split: Readonly<Record<SplitName, readonly { readonly id: string }[]>>,
): SplitRecord {
  const used = new Set([...split.train, ...split.validation, ...split.test].map(({ id }) => id))
  const beyond = videos
    .filter(({ id }) => !used.has(id))
    .map(({ id }): LeftOut => ({ id, code: 'shots', reason: 'more training videos of its class than requested' }))
  return recordSplit(videos, split, [...leftOut, ...beyond])
}

/** `12 rows: 8 train, 4 test; 2 left out: 1 unreadable (a.mp4), 1 repeated (b.mp4)`. */
export function formatSplitRecord({ rows, train, validation, test, leftOut }: SplitRecord): string {
  const parts = Object.entries({ train, validation, test }).flatMap(([name, count]) =>
    count === 0 ? [] : [`${count} ${name}`],
  )
  const groups = new Map<LeftOutCode, LeftOut[]>()
  for (const row of leftOut) groups.set(row.code, [...(groups.get(row.code) ?? []), row])
  const reasons = [...groups].map(([code, all]) => {
    const ids = all.slice(0, 3).map(({ id }) => id)
    return `${all.length} ${code} (${ids.join(', ')}${all.length > ids.length ? ', ...' : ''})`
  })
  const rest = leftOut.length === 0 ? '' : `; ${leftOut.length} left out: ${reasons.join(', ')}`
  return `${rows} row${rows === 1 ? '' : 's'}: ${parts.length === 0 ? 'none used' : parts.join(', ')}${rest}`
}
