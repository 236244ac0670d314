import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { maskedCrc32c } from '../../src/format/crc32c.ts'
import { ProtobufReader } from '../../src/format/protobuf.ts'

/** One record of an event file. */
export interface ReadEvent {
  wallTime: number
  step: number
  version?: string
  /** A session begins: what was said of this step and later ones is void. */
  starts?: boolean
  values: {
    tag: string
    scalar?: number
    text?: string
    image?: { height: number; width: number; bytes: Uint8Array }
  }[]
}

/** Reads an event file strictly: every length and checksum must agree. @param whole whether nothing may be left over */
export async function readEvents(path: string, whole = true): Promise<ReadEvent[]> {
  const file = await readFile(path)
  const events: ReadEvent[] = []
  for (let at = 0; at < file.length; ) {
    const length = at + 8 > file.length ? Number.POSITIVE_INFINITY : Number(file.readBigUInt64LE(at))
    if (at + 16 + length > file.length && !whole) break
    expect(file.readUInt32LE(at + 8)).toBe(maskedCrc32c(file.subarray(at, at + 8)))
    const data = file.subarray(at + 12, at + 12 + length)
    expect(file.readUInt32LE(at + 12 + length)).toBe(maskedCrc32c(data))
    at += length + 16
    events.push(readEvent(new ProtobufReader(data)))
  }
  return events
}

function readEvent(reader: ProtobufReader): ReadEvent {
  const event: ReadEvent = { wallTime: 0, step: 0, values: [] }
  while (reader.next()) {
    if (reader.field === 1) event.wallTime = reader.double()
    else if (reader.field === 2) event.step = reader.int()
    else if (reader.field === 3) event.version = reader.string()
    else if (reader.field === 7) {
      const session = reader.message()
      while (session.next()) if (session.field === 1) event.starts = session.int() === 1
    } else if (reader.field === 5) {
      const summary = reader.message()
      while (summary.next()) event.values.push(readValue(summary.message()))
    }
  }
  return event
}

function readValue(reader: ProtobufReader): ReadEvent['values'][number] {
  const value: ReadEvent['values'][number] = { tag: '' }
  while (reader.next()) {
    if (reader.field === 1) value.tag = reader.string()
    else if (reader.field === 2) value.scalar = reader.float()
    else if (reader.field === 4) {
      const image = { height: 0, width: 0, bytes: new Uint8Array() }
      const inner = reader.message()
      while (inner.next()) {
        if (inner.field === 1) image.height = inner.int()
        else if (inner.field === 2) image.width = inner.int()
        else if (inner.field === 4) image.bytes = Uint8Array.from(inner.bytes())
      }
      value.image = image
    } else if (reader.field === 8) {
      const tensor = reader.message()
      while (tensor.next()) if (tensor.field === 8) value.text = tensor.string()
    }
  }
  return value
}

/**
 * Steps and values that TensorBoard shows of a curve: the files of a directory in the order of their names, up to a record that was cut short;
 * the start of a second or later session voids its step and all later ones (`_CheckForRestartAndMaybePurge` in
 * TensorBoard's event accumulator).
 */
export async function shownSteps(directory: string, tag: string): Promise<[step: number, value: number][]> {
  let shown: [number, number][] = []
  let sessions = 0
  for (const name of (await readdir(directory)).sort()) {
    for (const { step, starts, values } of await readEvents(join(directory, name), false)) {
      if (starts === true && sessions++ > 0) shown = shown.filter(([other]) => other < step)
      for (const value of values) if (value.tag === tag) shown.push([step, value.scalar!])
    }
  }
  return shown
}
