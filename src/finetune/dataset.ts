import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { type DigestedFile, digestFile } from '../format/file-digest.ts'
import { listVideos, type VideoEntry } from '../video/index.ts'
import type { LeftOut } from './split-record.ts'

/** A video with a class. */
export interface LabelledVideo extends VideoEntry {
  readonly label: string
  /** Index into the classes of the data set. */
  readonly class: number
  /** SHA-256 of the file's content, plus `#start-end` for a part; null where it was not asked for or cannot be read. */
  readonly digest: string | null
}

export interface LabelledDataset {
  readonly videos: readonly LabelledVideo[]
  /** Names of the classes, sorted. */
  readonly classes: readonly string[]
  /** Ids of videos with the same content, two or more in each group. */
  readonly duplicates: readonly (readonly string[])[]
  /** Files that cannot even be read as bytes. They stay in `videos`; loading them fails and is counted there. */
  readonly unreadable: readonly { readonly id: string; readonly reason: string }[]
  /** Rows of the list, and files of the folder, that are not in `videos`. */
  readonly leftOut: readonly LeftOut[]
}

export interface DatasetOptions {
  /** The classes, where the data may not have all of them (testing a classifier). Default: whatever the data says. */
  readonly classes?: readonly string[]
  /** Read every file once to find equal contents. Default true. */
  readonly digests?: boolean
  readonly signal?: AbortSignal
  /** Files that were read for their digests. */
  readonly onProgress?: (done: number, total: number) => void
}

/**
 * The videos of a folder per class, or of a list (path, label, optional start, end, group, split), with their classes.
 *
 * @throws VideoMaeError `LABEL_MISSING`, `LABEL_UNKNOWN` (a label outside `classes`), `CLASSES_TOO_FEW`, and what
 *   `listVideos` throws
 */
export async function openDataset(source: string, options: DatasetOptions = {}): Promise<LabelledDataset> {
  const { classes: given, digests: wanted = true, signal } = options
  const entries = listVideos(source, { labelFromFolder: true })
  requireLabels(source, entries)
  const classes = given ?? [...new Set(entries.map((entry) => entry.label!))].sort()
  requireClasses(source, classes)
  const index = new Map(classes.map((name, i) => [name, i]))
  const unknown = entries.filter((entry) => !index.has(entry.label!))
  if (unknown.length > 0) {
    const labels = [...new Set(unknown.map(({ label }) => label))]
    throw new VideoMaeError(
      `Expected the classes ${classes.join(', ')} in ${source}, but ${unknown.length} videos are labelled ${labels.slice(0, 8).join(', ')}; the first is ${unknown[0].id}.`,
      { code: 'LABEL_UNKNOWN', exit: 'data', hint: 'Correct the labels, or train on data that has these classes.' },
    )
  }
  const unreadable: { id: string; reason: string }[] = []
  const byPath = new Map<string, DigestedFile | null>()
  if (wanted) {
    const files = new Set(entries.map(({ path }) => path)).size
    for (const { path, id } of entries) {
      if (byPath.has(path)) continue
      signal?.throwIfAborted()
      try {
        byPath.set(path, await digestFile(path, { signal }))
      } catch (error) {
        signal?.throwIfAborted()
        byPath.set(path, null)
        unreadable.push({ id, reason: (error as Error).message })
      }
      options.onProgress?.(byPath.size, files)
    }
  }
  const videos = entries.map((entry): LabelledVideo => {
    const content = byPath.get(entry.path) ?? null
    return {
      ...entry,
      ...(content === null ? {} : { content }),
      label: entry.label!,
      class: index.get(entry.label!)!,
      digest: content === null ? null : contentDigest(content.digest, entry),
    }
  })
  return { videos, classes, duplicates: sameContent(videos), unreadable, leftOut: [] }
}

/** What names the content of a video: the digest of its file, plus `#start-end` for a part. */
export function contentDigest(file: string, { start, end }: Pick<VideoEntry, 'start' | 'end'>): string {
  return start === undefined && end === undefined ? file : `${file}#${start ?? 0}-${end ?? ''}`
}

function requireLabels(source: string, entries: readonly VideoEntry[]): void {
  const without = entries.filter((entry) => entry.label === undefined)
  if (without.length === 0) return
  throw new VideoMaeError(
    `Expected a label for every video of ${source}, but ${without.length} have none; the first is ${without[0].id}.`,
    {
      code: 'LABEL_MISSING',
      exit: 'data',
      hint: 'Use one folder per class, or a CSV with the columns path,label.',
    },
  )
}

function requireClasses(source: string, classes: readonly string[]): void {
  if (new Set(classes).size !== classes.length) throw invalidArgument('classes', 'different names', classes.join(', '))
  if (classes.length >= 2) return
  throw new VideoMaeError(
    `Expected at least two classes in ${source} but found ${classes.length}: ${classes.join()}.`,
    {
      code: 'CLASSES_TOO_FEW',
      exit: 'data',
      hint: 'In a folder, every class is a sub-folder; in a CSV, the second column is the class.',
    },
  )
}

function sameContent(videos: readonly LabelledVideo[]): string[][] {
  const groups = new Map<string, string[]>()
  for (const { digest, id } of videos) {
    if (digest === null) continue
    const group = groups.get(digest)
    if (group === undefined) groups.set(digest, [id])
    else group.push(id)
  }
  return [...groups.values()].filter((group) => group.length > 1)
}
