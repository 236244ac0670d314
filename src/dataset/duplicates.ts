/** Videos that are there twice: as copies of a file, or with the same pictures in another encoding, size or container. */
import path from 'node:path'
import { makeFolder } from '../core/make-folder.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { csvField } from '../format/csv.ts'
import { digestFile } from '../format/file-digest.ts'
import { requireOwnResults } from '../format/own-results.ts'
import { loadClips } from '../video/load-clips.ts'
import { readingLines } from '../video/reading.ts'
import { readVideos } from '../video/source.ts'
import type { VideoEntry } from '../video/types.ts'
import {
  type PictureSignature,
  pictureSignature,
  signatureDistance,
  signatureSampling,
  signatureSide,
} from './picture-signature.ts'
import { bundles } from './split.ts'

/**
 * Largest share of the bits that differ between two encodings of one video: of its pictures, and of the changes from one to the next; and of
 * the pictures alone where nothing moves, since cameras that stand still film the same scene twice. Measured: dev/log.md.
 */
const mostDifferent = { pictures: 0.05, changes: 0.2, still: 0.01 }

/** Where the list goes, and how videos are read. */
export interface DuplicatesOptions {
  /** Folder of the list. */
  readonly out: string
  /** Decoding processes. Default: one for each core. */
  readonly workers?: number
  /** Stops the work; the call rejects with its reason. */
  readonly signal?: AbortSignal
  /** Called with videos that were looked at, of all. */
  readonly onProgress?: (done: number, total: number) => void
}

type Listed = Pick<VideoEntry, 'id' | 'label' | 'split' | 'group'>

/** Videos that look alike, directly or through others. */
export interface SimilarVideos {
  /** Its name in the list that is written. */
  readonly group: string
  /** What the data says of them. */
  readonly videos: readonly Listed[]
  /** Whether all of them are copies of one file. */
  readonly sameFile: boolean
}

/** What `findDuplicates` found. */
export interface Duplicates {
  /** Videos of the data. */
  readonly videos: number
  /** Sets of two videos or more. */
  readonly similar: readonly SimilarVideos[]
  /** Videos that cannot be read; nothing is known of them. */
  readonly unreadable: readonly { readonly id: string; readonly reason: string }[]
  /** The list with what is found as groups. */
  readonly list: string
  /** Paths that were written. */
  readonly files: readonly string[]
  /** How the data was read, for people. */
  readonly lines: readonly string[]
}

interface Seen {
  readonly entry: VideoEntry
  readonly digest: string
  readonly signature: PictureSignature
}

/**
 * Finds videos of equal content and videos whose pictures are nearly the same: encoded again, resized, in another container. Not found are
 * cut, mirrored or cropped copies. Writes `grouped.csv`, the list with these as groups next to those that it has, and `duplicates.json`. Nothing
 * else is changed.
 *
 * @throws VideoMaeError as `readVideos` and `loadClips`; `OUTPUT_TAKEN` where files of other origin would be replaced
 */
export async function findDuplicates(source: string, options: DuplicatesOptions): Promise<Duplicates> {
  const { out, workers, signal, onProgress } = options
  const files = ['grouped.csv', 'duplicates.json'].map((name) => path.join(out, name))
  await requireOwnResults(out, {
    what: 'the results of an earlier call',
    isWritten: (file) => files.includes(path.join(out, file)),
    main: 'duplicates.json',
    begins: /^\{\s*"format": "videomae-duplicates"/,
  })
  const { entries, sources } = readVideos(source, { labelFromFolder: true })
  const seen: Seen[] = []
  const unreadable: { id: string; reason: string }[] = []
  const loading = { entries, samplings: [signatureSampling], crops: [{ kind: 'whole' }] as const, size: signatureSide }
  for await (const loaded of loadClips({ ...loading, workers, signal })) {
    const { entry } = loaded
    if (loaded.ok) {
      const { digest } = await digestFile(entry.path, { signal })
      const part = entry.start === undefined && entry.end === undefined ? '' : `#${entry.start ?? 0}-${entry.end ?? ''}`
      seen.push({ entry, digest: `${digest}${part}`, signature: pictureSignature(loaded.clips) })
    } else unreadable.push({ id: entry.id, reason: loaded.reason })
    onProgress?.(loaded.index + 1, entries.length)
  }
  const { similar, groupOf } = groupsOf(seen)
  makeFolder(out)
  const found = { videos: seen.length, similar, unreadable }
  const document = { format: 'videomae-duplicates', version: 1, source: path.resolve(source), mostDifferent, ...found }
  await writeFileAtomic(files[1], `${JSON.stringify(document, null, 2)}\n`)
  await writeFileAtomic(files[0], listText(entries, groupOf))
  return { ...found, list: files[0], files, lines: sources.flatMap(readingLines) }
}

/** Whether two videos are one, as far as pictures tell. */
export function looksAlike(a: PictureSignature, b: PictureSignature): boolean {
  const distance = signatureDistance(a, b)
  if (distance === null) return false
  const { pictures, changes } = distance
  return changes === null
    ? pictures <= mostDifferent.still
    : pictures <= mostDifferent.pictures && changes <= mostDifferent.changes
}

/** Sets of indices that are linked, directly or through others (`bundles`); `linked` calls back for each pair. */
function linkedSets(count: number, linked: (i: number, j: number) => boolean): number[][] {
  const parent = Array.from({ length: count }, (_, i) => i)
  const root = (i: number): number => (parent[i] === i ? i : root(parent[i]))
  for (let i = 0; i < count; i++) for (let j = i + 1; j < count; j++) if (linked(i, j)) parent[root(j)] = root(i)
  return bundles(parent.map((_, i) => ({ index: i, digest: String(root(i)) }))).map((set) =>
    set.map(({ index }) => index),
  )
}

function groupsOf(seen: readonly Seen[]): {
  readonly similar: readonly SimilarVideos[]
  readonly groupOf: ReadonlyMap<VideoEntry, string>
} {
  const same = (a: Seen, b: Seen): boolean => a.digest === b.digest || looksAlike(a.signature, b.signature)
  const sets = linkedSets(seen.length, (i, j) => same(seen[i], seen[j])).filter(({ length }) => length > 1)
  const setOf = new Map(sets.flatMap((set, number) => set.map((i) => [i, number] as const)))
  // Groups of the list whose videos look alike become one.
  const joined = bundles(
    seen.map(({ entry: { group } }, i) => ({ index: i, group, digest: setOf.has(i) ? `set ${setOf.get(i)}` : null })),
  )
  const names = new Map<number, string>()
  for (const members of joined) {
    const { index } = members[0]
    const alike = setOf.get(index)
    const name = members.find(({ group }) => group !== undefined)?.group
    if (name !== undefined || alike !== undefined)
      for (const member of members) names.set(member.index, name ?? `similar-${alike! + 1}`)
  }
  const similar = sets.map(
    (set): SimilarVideos => ({
      group: names.get(set[0])!,
      videos: set.map((i) => {
        const { id, label, split, group } = seen[i].entry
        return { id, label, split, group }
      }),
      sameFile: new Set(set.map((i) => seen[i].digest)).size === 1,
    }),
  )
  return { similar, groupOf: new Map([...names].map(([i, name]) => [seen[i].entry, name])) }
}

/** path,label,start,end,group,split,fold; a video that cannot be read keeps its group. */
function listText(entries: readonly VideoEntry[], groupOf: ReadonlyMap<VideoEntry, string>): string {
  const lines = entries.map((entry) => {
    const { path: file, label, start, end, group, split, fold } = entry
    const fields = [path.resolve(file), label, start, end, groupOf.get(entry) ?? group, split, fold]
    return fields.map((field) => csvField(field ?? '')).join(',')
  })
  return `${['path,label,start,end,group,split,fold', ...lines].join('\n')}\n`
}
