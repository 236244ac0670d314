/** What is done: one line for each prepared video, written once its file is in place. Only what has a line counts. */

import { open, readdir, stat, truncate } from 'node:fs/promises'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { makeFolder } from '../core/make-folder.ts'
import { namingFile } from '../core/system-error.ts'
import { crc32c } from '../format/crc32c.ts'
import { type DigestedFile, digestFile } from '../format/file-digest.ts'
import { jsonOrNull } from '../format/json.ts'
import { nullIfMissing } from '../format/missing.ts'
import { fileState, openRegularFile } from '../format/regular-file.ts'

const file = {
  path: z.string(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.int(),
  frames: z.int(),
  width: z.int(),
  height: z.int(),
}

const recordSchema = z.object({
  /** Its path is that in the folder of prepared videos, with `/`. */
  ...file,
  original: z.object({
    /** Its path is that of the source as its list or folder names it. */
    ...file,
    /** State of the file when it was read: equal states have equal contents. */
    state: z.string(),
  }),
  /** What decoded and encoded. */
  encoder: z.string(),
  /** How often the file was prepared before. Shares do not tell which of their records of one file is the newest. */
  turn: z.int().min(0).default(0),
})

/** A line: what is recorded and its checksum, so that a digest that a disk has changed is not handed on. */
const lineSchema = z.object({ record: z.unknown(), crc: z.int() })

/** A prepared video. */
export type PreparedRecord = z.output<typeof recordSchema>

const recordsFolder = 'records'
const recordsFile = 'done.jsonl'

/** Folder of one share of the work; its lock is there, too. @param index from 0 */
export function shareFolder(
  folder: string,
  { index, count }: { readonly index: number; readonly count: number },
): string {
  return path.join(folder, recordsFolder, `${index + 1}-of-${count}`)
}

/**
 * What is recorded in any share, by path of the prepared file; the newest record of a file counts.
 *
 * @throws VideoMaeError `FILE_NOT_REGULAR`
 */
export async function readPreparedRecords(folder: string): Promise<Map<string, PreparedRecord>> {
  const found = new Map<string, PreparedRecord>()
  const shares = (await readdir(path.join(folder, recordsFolder)).catch(nullIfMissing)) ?? []
  for (const share of shares.sort()) {
    for (const record of await readShare(path.join(folder, recordsFolder, share, recordsFile)))
      if (record.turn >= (found.get(record.path)?.turn ?? 0)) found.set(record.path, record)
  }
  return found
}

/** The line of a record, without a line end. */
export function lineOfRecord(record: PreparedRecord): string {
  return JSON.stringify({ record, crc: checksum(record) })
}

/** CRC-32C of the JSON text. */
function checksum(record: unknown): number {
  return crc32c(Buffer.from(JSON.stringify(record)))
}

/** Null for a line that is not whole or not what was written. */
function recordOf(line: string): PreparedRecord | null {
  const parsed = lineSchema.safeParse(jsonOrNull(line))
  if (!parsed.success || parsed.data.crc !== checksum(parsed.data.record ?? null)) return null
  return recordSchema.safeParse(parsed.data.record).data ?? null
}

/** A line that a kill cut off, or a disk has changed, says nothing. */
async function readShare(file: string): Promise<PreparedRecord[]> {
  const records: PreparedRecord[] = []
  const handle = await openRegularFile(file).catch(nullIfMissing)
  if (handle === null) return records
  // The stream closes the file.
  const input = handle.createReadStream({ encoding: 'utf8' })
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    const record = recordOf(line)
    if (record !== null) records.push(record)
  }
  return records
}

/** Adds records to a share, of which the lock must be held. */
export class RecordWriter {
  private readonly file: string
  private queue: Promise<void> = Promise.resolve()

  private constructor(file: string) {
    this.file = file
  }

  static async open(share: string): Promise<RecordWriter> {
    makeFolder(share)
    const file = path.join(share, recordsFile)
    await removeCutLine(file)
    return new RecordWriter(file)
  }

  /** Resolves once it is on the disk. */
  add(record: PreparedRecord): Promise<void> {
    const written = this.queue.then(async () => {
      const handle = await open(this.file, 'a')
      try {
        await namingFile(this.file, async () => {
          await handle.writeFile(`${lineOfRecord(record)}\n`)
          await handle.sync()
        })
      } finally {
        await handle.close()
      }
    })
    this.queue = written.catch(() => undefined)
    return written
  }
}

/** So that the next line does not continue one that a kill cut off. */
async function removeCutLine(file: string): Promise<void> {
  const handle = await openRegularFile(file).catch(nullIfMissing)
  if (handle === null) return
  let text: Buffer
  try {
    text = await handle.readFile()
  } finally {
    await handle.close()
  }
  const whole = text.lastIndexOf(0x0a) + 1
  if (whole < text.length) await truncate(file, whole)
}

/**
 * Whether a video need not be prepared again: its prepared file is there with the bytes that were written, and the source has the content that it was made of.
 *
 * @param content the source where it had to be read again
 */
export async function isDone(
  folder: string,
  source: string,
  record: PreparedRecord | undefined,
  signal?: AbortSignal,
): Promise<{ readonly done: boolean; readonly content?: DigestedFile }> {
  if (record === undefined) return { done: false }
  const found = await compare(folder, source, record)
  if (found !== 'touched') return { done: found === 'same' }
  const content = await digestFile(source, { signal })
  return { done: content.digest === record.original.sha256, content }
}

/** As `isDone` as far as it shows without reading the source: false, too, where that was only touched. */
export async function looksDone(folder: string, source: string, record: PreparedRecord): Promise<boolean> {
  return (await compare(folder, source, record)) === 'same'
}

/** `touched`: the content of the source may be that of the record or another one. */
async function compare(
  folder: string,
  source: string,
  record: PreparedRecord,
): Promise<'same' | 'touched' | 'different'> {
  const prepared = await stat(path.join(folder, record.path)).catch(nullIfMissing)
  if (prepared === null || prepared.size !== record.bytes) return 'different'
  const found = await stat(source, { bigint: true }).catch(nullIfMissing)
  if (found === null) return 'different'
  return fileState(found) === record.original.state ? 'same' : 'touched'
}
