import { mkdir, mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readEvents, shownSteps } from '../../test/support/read-events.ts'
import { crc32c, maskedCrc32c } from './crc32c.ts'
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

describe('checksums', () => {
  test('agree with RFC 3720, appendix B.4, and with long division', () => {
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
  test('hold scalars, text and pictures in order', async () => {
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
    expect(events.length).toBe(23)
    expect(events[0].version).toBe('brain.Event:2')
    expect(events[1]).toMatchObject({ step: 0, starts: true })
    for (let i = 0; i < 20; i++) {
      expect(events[i + 2]).toEqual({
        wallTime: 1e9 + i,
        step: i + 1,
        values: [
          { tag: 'train/loss', scalar: Math.fround(1 / (i + 1)) },
          { tag: 'train/lr', scalar: Math.fround(1e-4) },
        ],
      })
    }
    expect(events[22].step).toBe(5_000_000_000)
    expect(events[22].values).toEqual([
      { tag: 'note', text: '# Überschrift' },
      { tag: 'reconstruction', image: { height: 3, width: 5, bytes: Uint8Array.from(png) } },
    ])
    expect(Math.abs(events[22].wallTime - Date.now() / 1000)).toBeLessThan(600)
  })

  test('of a run that was resumed show each step once, also where a record was cut short', async () => {
    const directory = join(folder, 'b')
    const first = await openTensorboard(directory)
    for (let step = 1; step <= 7; step++) await first.write({ step, scalars: { loss: step } })
    await first.close()
    await truncate(first.path, (await stat(first.path)).size - 5)
    // Killed after step 7, resumed from a checkpoint of step 4; and once more, from step 5.
    for (const [firstStep, last] of [
      [5, 9],
      [6, 8],
    ]) {
      const next = await openTensorboard(directory, { firstStep })
      for (let step = firstStep; step <= last; step++) await next.write({ step, scalars: { loss: 10 * step } })
      await next.close()
    }
    expect(await shownSteps(directory, 'loss')).toEqual(
      [1, 2, 3, 4, 50, 60, 70, 80].map((value) => [value % 10 === 0 ? value / 10 : value, value]),
    )
  })

  test('are named in the order they were made, within a second and with a slow clock', async () => {
    const directory = join(folder, 'c')
    await mkdir(directory)
    await writeFile(join(directory, 'events.out.tfevents.9999999990.host.1.0'), '')
    const made: string[] = []
    for (let i = 0; i < 3; i++) {
      const writer = await openTensorboard(directory)
      await writer.close()
      made.push(basename(writer.path))
    }
    expect((await readdir(directory)).sort().slice(1)).toEqual(made)
  })

  test('do not share a file', async () => {
    const directory = join(folder, 'e')
    const writers = await Promise.all([openTensorboard(directory), openTensorboard(directory)])
    for (const writer of writers) await writer.close()
    expect((await readdir(directory)).length).toBe(2)
  })

  test('refuse pictures that are not PNG, and continue', async () => {
    const writer = await openTensorboard(join(folder, 'd'))
    await expect(writer.write({ step: 1, images: { x: new Uint8Array(50) } })).rejects.toThrow('Expected a PNG file')
    await writer.write({ step: 2, scalars: { loss: 1 } })
    await writer.close()
    expect((await readEvents(writer.path)).map(({ step }) => step)).toEqual([0, 0, 2])
  })
})
