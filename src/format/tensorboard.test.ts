import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { crc32c, maskedCrc32c } from './crc32c.ts'
import { ProtobufReader } from './protobuf.ts'
import { openTensorboard } from './tensorboard.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tensorboard-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

/** CRC-32C by long division over GF(2), bit by bit: independent of the table. */
function slowCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const low = (crc ^ (byte >> bit)) & 1
      crc = (crc >>> 1) ^ (low ? 0x82f63b78 : 0)
    }
  }
  return ~crc >>> 0
}

interface ReadEvent {
  wallTime: number
  step: number
  version?: string
  values: {
    tag: string
    scalar?: number
    text?: string
    image?: { height: number; width: number; bytes: Uint8Array }
  }[]
}

/** Reads an event file strictly: every length and checksum must agree, nothing may be left over. */
async function readEvents(path: string): Promise<ReadEvent[]> {
  const file = await readFile(path)
  const events: ReadEvent[] = []
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at))
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
    else if (reader.field === 5) {
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

describe('checksums', () => {
  it('agree with RFC 3720, appendix B.4, and with long division', () => {
    const ascending = Uint8Array.from({ length: 32 }, (_, i) => i)
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
    expect(crc32c(ascending)).toBe(0x46dd794e)
    expect(crc32c(ascending.toReversed())).toBe(0x113fdb5c)
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283)
    expect(crc32c(ascending)).toBe(slowCrc(ascending))
    expect(maskedCrc32c(new Uint8Array())).toBe(0xa282ead8)
  })
})

describe('event files', () => {
  it('hold scalars, text and pictures in order', async () => {
    const png = await sharp({ create: { width: 5, height: 3, channels: 3, background: '#f80' } })
      .png()
      .toBuffer()
    const writer = await openTensorboard(join(folder, 'a'))
    // Not awaited one by one: the queue keeps the order.
    const writes = Array.from({ length: 20 }, (_, i) =>
      writer.write({ step: i + 1, scalars: { 'train/loss': 1 / (i + 1), 'train/lr': 1e-4 }, wallTime: 1e9 + i }),
    )
    writes.push(writer.write({ step: 5_000_000_000, text: { note: '# Überschrift' }, images: { reconstruction: png } }))
    await Promise.all(writes)
    await writer.close()

    expect(basename(writer.path)).toContain('tfevents')
    const events = await readEvents(writer.path)
    expect(events.length).toBe(22)
    expect(events[0].version).toBe('brain.Event:2')
    for (let i = 0; i < 20; i++) {
      expect(events[i + 1]).toEqual({
        wallTime: 1e9 + i,
        step: i + 1,
        values: [
          { tag: 'train/loss', scalar: Math.fround(1 / (i + 1)) },
          { tag: 'train/lr', scalar: Math.fround(1e-4) },
        ],
      })
    }
    expect(events[21].step).toBe(5_000_000_000)
    expect(events[21].values).toEqual([
      { tag: 'note', text: '# Überschrift' },
      { tag: 'reconstruction', image: { height: 3, width: 5, bytes: Uint8Array.from(png) } },
    ])
    expect(Math.abs(events[21].wallTime - Date.now() / 1000)).toBeLessThan(600)
  })

  it('are continued after a kill: a record that was cut short is removed', async () => {
    const directory = join(folder, 'b')
    const first = await openTensorboard(directory)
    for (let step = 1; step <= 3; step++) await first.write({ step, scalars: { loss: step } })
    await first.close()
    const whole = await readFile(first.path)
    for (const cut of [1, 5, 17]) {
      await writeFile(first.path, whole)
      await truncate(first.path, whole.length - cut)
      const again = await openTensorboard(directory, { append: basename(first.path) })
      await again.write({ step: 4, scalars: { loss: 4 } })
      await again.close()
      const steps = (await readEvents(first.path)).map(({ step }) => step)
      expect(steps).toEqual([0, 1, 2, 4])
    }
    await writeFile(first.path, whole)
    await (await openTensorboard(directory, { append: basename(first.path) })).close()
    expect(await readFile(first.path)).toEqual(whole)
  })

  it('do not share a file, and one without records is not appended to', async () => {
    const directory = join(folder, 'c')
    const writers = await Promise.all([openTensorboard(directory), openTensorboard(directory)])
    for (const writer of writers) await writer.close()
    expect((await readdir(directory)).length).toBe(2)
    await writeFile(join(directory, 'other'), 'not events, but long enough to be read as some')
    await expect(openTensorboard(directory, { append: 'other' })).rejects.toMatchObject({ code: 'TENSORBOARD_INVALID' })
  })

  it('refuse pictures that are not PNG, and go on', async () => {
    const writer = await openTensorboard(join(folder, 'd'))
    await expect(writer.write({ step: 1, images: { x: new Uint8Array(50) } })).rejects.toThrow('Expected a PNG file')
    await writer.write({ step: 2, scalars: { loss: 1 } })
    await writer.close()
    expect((await readEvents(writer.path)).map(({ step }) => step)).toEqual([0, 2])
  })
})
