import { appendFile, mkdir, open, readdir, readFile, stat, truncate } from 'node:fs/promises'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { writeFileAtomic } from '../format/atomic.ts'

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

interface Place {
  readonly file: string
  readonly offset: number
  readonly entry: StoredFeatures
}

interface Line extends StoredFeatures {
  readonly offset: number
}

/**
 * Features by content: a folder with a data file and an index per shard, both only ever appended to. A line of the index
 * is written after its data, so a kill at any moment loses at most the video in progress.
 *
 *     <key>/key.json              what the features depend on beside the content
 *     <key>/I-of-N.f32            rows of float32, little-endian
 *     <key>/I-of-N.jsonl          digest, views and offset of every video
 */
export class FeatureStore {
  readonly folder: string
  /** Values of one row. */
  readonly width: number
  private readonly name: string
  private readonly places: Map<string, Place>
  private end: number

  private constructor(folder: string, width: number, name: string, places: Map<string, Place>, end: number) {
    this.folder = folder
    this.width = width
    this.name = name
    this.places = places
    this.end = end
  }

  /**
   * Opens or makes the store of a key. Several processes may fill it at once, each as another shard.
   *
   * @param key plain JSON; the folder is named after `id`, its digest
   */
  static async open(
    root: string,
    id: string,
    key: Readonly<Record<string, unknown>>,
    width: number,
    shard: { readonly index: number; readonly count: number } = { index: 0, count: 1 },
  ): Promise<FeatureStore> {
    const folder = path.join(root, id)
    await mkdir(folder, { recursive: true })
    await writeFileAtomic(path.join(folder, 'key.json'), `${JSON.stringify({ ...key, width }, null, 2)}\n`)
    const own = `${shard.index + 1}-of-${shard.count}`
    const places = new Map<string, Place>()
    let end = 0
    for (const file of (await readdir(folder)).filter((name) => name.endsWith('.jsonl')).sort()) {
      const name = file.slice(0, -'.jsonl'.length)
      const data = path.join(folder, `${name}.f32`)
      const size = (await stat(data).catch(() => null))?.size ?? 0
      const { lines, bytes } = readIndex(await readFile(path.join(folder, file), 'utf8'), size, width)
      for (const { offset, ...entry } of lines) places.set(entry.digest, { file: data, offset, entry })
      if (name !== own) continue
      end = Math.max(0, ...lines.map(({ offset, views }) => offset + views.length * width * 4))
      // What a kill left half written.
      await truncate(path.join(folder, file), bytes)
      if (size > end) await truncate(data, end)
    }
    return new FeatureStore(folder, width, own, places, end)
  }

  has(digest: string): boolean {
    return this.places.has(digest)
  }

  views(digest: string): readonly FeatureView[] {
    return this.place(digest).entry.views
  }

  /** Rows of one video, [views, width]. */
  async read(digest: string): Promise<Float32Array> {
    const { file, offset, entry } = this.place(digest)
    const rows = new Float32Array(entry.views.length * this.width)
    const handle = await open(file, 'r')
    try {
      const bytes = new Uint8Array(rows.buffer)
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, offset)
      if (bytesRead === bytes.length) return rows
    } finally {
      await handle.close()
    }
    throw new VideoMaeError(`Expected the features of ${digest} in ${file}, which ended early.`, {
      code: 'FEATURES_DAMAGED',
      exit: 'data',
      hint: `Delete ${this.folder} and compute them again.`,
    })
  }

  /** @param rows [views, width] */
  async append(entry: StoredFeatures, rows: Float32Array): Promise<void> {
    const data = path.join(this.folder, `${this.name}.f32`)
    const offset = this.end
    await appendFile(data, new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength))
    this.end += rows.byteLength
    const line: Line = { ...entry, offset }
    await appendFile(path.join(this.folder, `${this.name}.jsonl`), `${JSON.stringify(line)}\n`)
    this.places.set(entry.digest, { file: data, offset, entry })
  }

  private place(digest: string): Place {
    const place = this.places.get(digest)
    if (place !== undefined) return place
    throw new VideoMaeError(`Expected the features of ${digest} in ${this.folder}, which has none.`, {
      code: 'FEATURES_MISSING',
      exit: 'data',
      hint: 'Compute all shards before they are put together.',
    })
  }
}

/** The whole lines of an index whose data is there, and how many bytes of the index they take. */
function readIndex(text: string, size: number, width: number): { lines: Line[]; bytes: number } {
  const lines: Line[] = []
  let bytes = 0
  for (const row of text.split('\n').slice(0, -1)) {
    try {
      const line = JSON.parse(row) as Line
      if (line.offset + line.views.length * width * 4 > size) break
      lines.push(line)
      bytes += Buffer.byteLength(row) + 1
    } catch {
      break
    }
  }
  return { lines, bytes }
}
