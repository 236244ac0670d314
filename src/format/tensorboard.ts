import { type FileHandle, open, readdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { namingFile } from '../core/system-error.ts'
import { maskedCrc32c } from './crc32c.ts'
import { ProtobufWriter } from './protobuf.ts'

/** What to show at one step: curves, text (Markdown) and pictures, by tag such as `train/loss`. */
export interface TensorboardEntry {
  readonly step: number
  readonly scalars?: Readonly<Record<string, number>>
  readonly text?: Readonly<Record<string, string>>
  /** PNG files; width and height are read from them. */
  readonly images?: Readonly<Record<string, Uint8Array>>
  /** Seconds since 1970; now when left out. */
  readonly wallTime?: number
}

/** Appends to one TensorBoard event file. Writes are queued and keep their order; errors come out of `flush` or `close`. */
export interface TensorboardWriter {
  readonly path: string
  /** Resolves when the operating system has the record. */
  write(entry: TensorboardEntry): Promise<void>
  /** Put everything on the disk. */
  flush(): Promise<void>
  close(): Promise<void>
}

export interface OpenTensorboardOptions {
  /**
   * First step this file may hold. TensorBoard then forgets what earlier files of the directory say of it and of later
   * steps: a resumed run repeats what came after its checkpoint. Default 0: a new run.
   */
  readonly firstStep?: number
}

/** Open a new event file in a directory, which is made if need be. It continues the curves of the files already there. */
export async function openTensorboard(
  directory: string,
  { firstStep = 0 }: OpenTensorboardOptions = {},
): Promise<TensorboardWriter> {
  makeFolder(directory)
  const now = Date.now() / 1000
  const { path, file } = await createNew(directory, await timeForName(directory, Math.floor(now)))
  const version = record(event(now, 0, (w) => w.string(3, 'brain.Event:2')))
  // A SessionLog with status START. The first one of a directory is taken as its beginning, so every file needs one.
  const start = record(event(now, firstStep, (w) => w.message(7, (session) => session.int(1, 1))))
  const writer = writerOf(path, file, Buffer.concat([version, start]))
  await writer.flush()
  return writer
}

/** A file of this form; its first number is a time in seconds since 1970. */
const eventFilePattern = /^events\.out\.tfevents\.(\d+)\./

/**
 * Seconds for a new file's name: later than those of every file that is there. TensorBoard reads files in the order of
 * their names, and a run may be resumed within a second, by another host, or by one whose clock is slow.
 */
async function timeForName(directory: string, now: number): Promise<number> {
  const times = (await readdir(directory)).map((name) => Number(eventFilePattern.exec(name)?.[1] ?? 0))
  return Math.max(now, ...times.map((time) => time + 1))
}

async function createNew(directory: string, seconds: number): Promise<{ path: string; file: FileHandle }> {
  const base = `events.out.tfevents.${String(seconds).padStart(10, '0')}.${hostname()}.${process.pid}`
  for (let n = 0; ; n++) {
    const path = join(directory, `${base}.${n}`)
    try {
      return { path, file: await open(path, 'wx') }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
}

function writerOf(path: string, file: FileHandle, first: Uint8Array): TensorboardWriter {
  let position = 0
  let queue: Promise<void> = Promise.resolve()
  const enqueue = (task: () => Promise<void>): Promise<void> => {
    queue = queue.then(task)
    return queue
  }
  const append = (bytes: Uint8Array) =>
    enqueue(async () => {
      for (let done = 0; done < bytes.length; ) {
        const rest = bytes.length - done
        const { bytesWritten } = await namingFile(path, () => file.write(bytes, done, rest, position))
        done += bytesWritten
        position += bytesWritten
      }
    })
  // A failure stays in the queue, so that `flush` and `close` report it too.
  append(first).catch(() => undefined)
  return {
    path,
    write: async (entry) => append(record(encodeEntry(entry))),
    flush: () => enqueue(() => file.sync()),
    close: async () => {
      try {
        await enqueue(() => file.sync())
      } finally {
        await file.close()
      }
    },
  }
}

/** A TFRecord: length u64, its checksum, data, its checksum. */
function record(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data.length + 16)
  const view = new DataView(out.buffer)
  view.setBigUint64(0, BigInt(data.length), true)
  view.setUint32(8, maskedCrc32c(out.subarray(0, 8)), true)
  out.set(data, 12)
  view.setUint32(12 + data.length, maskedCrc32c(data), true)
  return out
}

function event(wallTime: number, step: number, what: (writer: ProtobufWriter) => void): Uint8Array {
  const writer = new ProtobufWriter().double(1, wallTime)
  if (step !== 0) writer.int(2, step)
  what(writer)
  return writer.finish()
}

/** An Event with a Summary, fields as TensorFlow's event.proto and summary.proto number them. */
function encodeEntry(entry: TensorboardEntry): Uint8Array {
  return event(entry.wallTime ?? Date.now() / 1000, entry.step, (writer) =>
    writer.message(5, (summary) => {
      for (const [tag, value] of Object.entries(entry.scalars ?? {})) {
        summary.message(1, (v) => v.string(1, tag).float(2, value))
      }
      for (const [tag, text] of Object.entries(entry.text ?? {})) {
        summary.message(1, (v) => {
          v.string(1, tag)
          // A string tensor (type 7) of shape [1].
          v.message(8, (tensor) => {
            tensor.int(1, 7).message(2, (shape) => shape.message(2, (dim) => dim.int(1, 1)))
            tensor.string(8, text)
          })
          v.message(9, (about) => about.message(1, (plugin) => plugin.string(1, 'text')))
        })
      }
      for (const [tag, png] of Object.entries(entry.images ?? {})) {
        const { width, height, colors } = pngSize(tag, png)
        summary.message(1, (v) => {
          v.string(1, tag)
          v.message(4, (image) => image.int(1, height).int(2, width).int(3, colors).bytes(4, png))
        })
      }
    }),
  )
}

/** Width, height and TensorBoard's number of color channels, from the PNG's first chunk. */
function pngSize(tag: string, png: Uint8Array): { width: number; height: number; colors: number } {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength)
  // Channels by PNG color type: 0 gray, 2 RGB, 3 palette (shown as RGB), 4 gray with alpha, 6 RGB with alpha.
  const channels = [1, undefined, 3, 3, 2, undefined, 4]
  const colors = png.length >= 33 && view.getUint32(0) === 0x89504e47 ? channels[png[25]] : undefined
  if (colors === undefined) {
    throw new VideoMaeError(`Expected a PNG file for the picture ${tag} but received ${png.length} other bytes.`, {
      code: 'INVALID_ARGUMENT',
      exit: 'usage',
    })
  }
  return { width: view.getUint32(16), height: view.getUint32(20), colors }
}
