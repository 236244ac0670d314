import { randomUUID } from 'node:crypto'
import { appendFile, readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { requirePath, VideoMaeError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { namingFile } from '../core/system-error.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { crc32c } from '../format/crc32c.ts'
import { bytesOf, readFully } from '../format/file-bytes.ts'
import { openRegularFile, readRegularText } from '../format/regular-file.ts'

/** Where in its video a row of features comes from. */
export interface FeatureView {
  /** Temporal view or window, and spatial view, from 0. */
  readonly clip: number
  readonly crop: number
  /** Seconds of the clip's first frame after the video's first. */
  readonly startSeconds: number
  /** First and last frame of the clip in the file. */
  readonly firstFrame: number
  readonly lastFrame: number
}

/** The features of one video: as many rows as views. */
export interface StoredFeatures {
  /** SHA-256 of the file's content, plus `#start-end` for a part. */
  readonly digest: string
  readonly views: readonly FeatureView[]
}

interface StoredAt {
  readonly file: string
  readonly offset: number
  readonly checksum: number
  readonly entry: StoredFeatures
}

const count = z
  .int()
  .min(0)
  .max(2 ** 40)

/** A line of an index. Files outlive programs: whatever else is there is not one. */
const lineSchema = z.strictObject({
  digest: z.string(),
  views: z.array(
    z.strictObject({
      clip: count,
      crop: count,
      startSeconds: z.number(),
      firstFrame: count,
      lastFrame: count,
    }),
  ),
  offset: count,
  /** CRC-32C of what `checksumOf` says: rows under another digest are the features of another video. */
  checksum: count,
})
type Line = z.output<typeof lineSchema>

/** Of the rows, the video that they are of, their views, and the key of the store. */
function checksumOf(store: string, { digest, views }: StoredFeatures, rows: Float32Array): number {
  const seen = views.map(({ clip, crop, startSeconds, firstFrame, lastFrame }) => [
    ...[clip, crop, startSeconds, firstFrame, lastFrame],
  ])
  const about = new TextEncoder().encode(JSON.stringify([store, digest, seen]))
  const all = new Uint8Array(about.length + rows.byteLength)
  all.set(about)
  all.set(bytesOf(rows), about.length)
  return crc32c(all)
}

/**
 * Features by content: a folder with a data file and an index for every process that has put something in, both only ever
 * appended to, and by that process alone: any number of them may fill a store at once. A line of the index is written
 * after its data, so a kill at any moment loses at most the video in progress.
 *
 *     <key>/key.json              what the features depend on next to the content
 *     <key>/<name>.f32            rows of float32, little-endian
 *     <key>/<name>.jsonl          digest, views, offset and checksum of every video, in the order of the data
 *
 * Lines without a checksum, or with that of older versions, do not count: those features are computed again.
 */
export class FeatureStore {
  readonly folder: string
  /** Values of one row. */
  readonly width: number
  private readonly stored: Map<string, StoredAt>
  /** What this process appends to, from its first video on. */
  private own: { readonly data: string; readonly index: string; end: number } | null = null

  private constructor(folder: string, width: number, stored: Map<string, StoredAt>) {
    this.folder = folder
    this.width = width
    this.stored = stored
  }

  /**
   * Opens or makes the store of a key, with what is in it now.
   *
   * @param key plain JSON; the folder is named after `id`, its digest
   * @throws VideoMaeError `INVALID_ARGUMENT` for a blank `root`
   */
  static async open(
    root: string,
    id: string,
    key: Readonly<Record<string, unknown>>,
    width: number,
  ): Promise<FeatureStore> {
    requirePath('the cache', root)
    const folder = path.join(root, id)
    makeFolder(folder)
    await writeFileAtomic(path.join(folder, 'key.json'), `${JSON.stringify({ ...key, width }, null, 2)}\n`)
    const stored = new Map<string, StoredAt>()
    for (const file of (await readdir(folder)).filter((name) => name.endsWith('.jsonl')).sort()) {
      const data = path.join(folder, `${file.slice(0, -'.jsonl'.length)}.f32`)
      const size = (await stat(data).catch(() => null))?.size ?? 0
      for (const { offset, checksum, ...entry } of readIndex(
        await readRegularText(path.join(folder, file)),
        size,
        width,
      ))
        stored.set(entry.digest, { file: data, offset, checksum, entry })
    }
    return new FeatureStore(folder, width, stored)
  }

  /** Names everything that the rows depend on next to the content. */
  get id(): string {
    return path.basename(this.folder)
  }

  has(digest: string): boolean {
    return this.stored.has(digest)
  }

  views(digest: string): readonly FeatureView[] {
    return this.find(digest).entry.views
  }

  /**
   * Rows of one video, [views, width].
   *
   * @throws VideoMaeError `FEATURES_DAMAGED` where they are not what was stored, `FEATURES_MISSING`
   */
  async read(digest: string): Promise<Float32Array> {
    const { file, offset, checksum, entry } = this.find(digest)
    const rows = new Float32Array(entry.views.length * this.width)
    const handle = await openRegularFile(file)
    let problem: string
    try {
      const whole = (await readFully(handle, bytesOf(rows), offset)) === rows.byteLength
      if (whole && checksumOf(this.id, entry, rows) === checksum) return rows
      problem = whole ? 'which have changed since, or are of another video' : 'which ended early'
    } finally {
      await handle.close()
    }
    throw new VideoMaeError(`Expected the features of ${digest} in ${file}, ${problem}.`, {
      code: 'FEATURES_DAMAGED',
      exit: 'data',
      hint: `Delete ${this.folder} and compute them again.`,
    })
  }

  /** @param rows [views, width] */
  async append(entry: StoredFeatures, rows: Float32Array): Promise<void> {
    const own = this.own ?? this.begin()
    // Only whole writes are counted on: after one that failed, what follows goes to files of its own.
    this.own = null
    const { data, index, end: offset } = own
    await namingFile(data, () => appendFile(data, bytesOf(rows)))
    const checksum = checksumOf(this.id, entry, rows)
    const line: Line = { digest: entry.digest, views: [...entry.views], offset, checksum }
    await namingFile(index, () => appendFile(index, `${JSON.stringify(line)}\n`))
    own.end += rows.byteLength
    this.own = own
    this.stored.set(entry.digest, { file: data, offset, checksum, entry })
  }

  private begin() {
    const name = path.join(this.folder, `${process.pid}-${randomUUID()}`)
    return { data: `${name}.f32`, index: `${name}.jsonl`, end: 0 }
  }

  private find(digest: string): StoredAt {
    const found = this.stored.get(digest)
    if (found !== undefined) return found
    throw new VideoMaeError(`Expected the features of ${digest} in ${this.folder}, which has none.`, {
      code: 'FEATURES_MISSING',
      exit: 'data',
      hint: 'Compute all shards before you merge them.',
    })
  }
}

/** The whole lines of an index whose data is there, up to the first that does not follow the one before it. */
function readIndex(text: string, size: number, width: number): Line[] {
  const lines: Line[] = []
  let end = 0
  for (const row of text.split('\n').slice(0, -1)) {
    const line = parseLine(row)
    if (line === null || line.offset !== end) break
    end += line.views.length * width * 4
    if (end > size) break
    lines.push(line)
  }
  return lines
}

function parseLine(row: string): Line | null {
  try {
    return lineSchema.parse(JSON.parse(row))
  } catch {
    return null
  }
}
