/** The list of prepared videos: what the source says of each, the prepared file, and the digest of the original. */
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { writeFileAtomic } from '../format/atomic.ts'
import { csvField } from '../format/csv.ts'
import { preparedList } from '../video/prepared-folder.ts'
import type { VideoEntry } from '../video/types.ts'
import type { LeftOutReason } from './failures.ts'
import type { PreparedRecord } from './records.ts'

export interface ListedVideo {
  readonly entry: VideoEntry
  readonly record: PreparedRecord
}

/** A video that is not in the list. */
export interface LeftOutVideo extends LeftOutReason {
  readonly id: string
}

/** @returns the file */
export async function writePreparedList(folder: string, videos: readonly ListedVideo[]): Promise<string> {
  const file = path.join(folder, preparedList)
  await writeFileAtomic(file, listText(videos))
  return file
}

/** Columns that no video has a value for are left out. */
export function listText(videos: readonly ListedVideo[]): string {
  const parts = videos.some(({ entry }) => entry.start !== undefined || entry.end !== undefined)
  const columns: readonly (readonly [string, (video: ListedVideo) => string | number | undefined])[] = [
    ['path', ({ record }) => record.path],
    // A list of parts names its videos by their files.
    ...(parts ? [] : ([['id', ({ entry }: ListedVideo) => entry.id]] as const)),
    ['label', ({ entry }) => entry.label],
    ['start', ({ entry }) => entry.start],
    ['end', ({ entry }) => entry.end],
    ['split', ({ entry }) => entry.split],
    ['fold', ({ entry }) => entry.fold],
    ['group', ({ entry }) => entry.group],
    ['time', ({ entry }) => entry.time],
    ['original', ({ record }) => record.original.path],
    // What was prepared once more comes from the same original.
    ['original_sha256', ({ entry, record }) => entry.original ?? record.original.sha256],
  ]
  const used = columns.filter(([, value]) => videos.some((video) => value(video) !== undefined))
  const lines = videos.map((video) => used.map(([, value]) => csvField(value(video) ?? '')).join(','))
  return `${[used.map(([name]) => name).join(','), ...lines].join('\n')}\n`
}

/** Name of the table of videos that are not in the list. */
export const leftOutFile = 'left-out.csv'

/** Removes an earlier table where no video is left out. @returns the file, if there is one */
export async function writeLeftOut(folder: string, videos: readonly LeftOutVideo[]): Promise<string[]> {
  const file = path.join(folder, leftOutFile)
  if (videos.length === 0) {
    await rm(file, { force: true })
    return []
  }
  const lines = videos.map(({ id, code, reason }) => [id, code, reason].map(csvField).join(','))
  await writeFileAtomic(file, `${['id,code,reason', ...lines].join('\n')}\n`)
  return [file]
}
