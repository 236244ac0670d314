import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { VideoMaeError } from '../core/errors.ts'
import { ProtobufReader, ProtobufWriter } from './protobuf.ts'

describe('protobuf', () => {
  test('writes the bytes of the encoding guide', () => {
    // Examples of protobuf.dev/programming-guides/encoding: varint 150, "testing", a nested message, packed 3 270 86942.
    expect([...new ProtobufWriter().int(1, 150).finish()]).toEqual([0x08, 0x96, 0x01])
    expect(Buffer.from(new ProtobufWriter().string(2, 'testing').finish()).toString('hex')).toBe('120774657374696e67')
    expect(Buffer.from(new ProtobufWriter().message(3, (w) => w.int(1, 150)).finish()).toString('hex')).toBe(
      '1a03089601',
    )
    expect(Buffer.from(new ProtobufWriter().packedInts(6, [3, 270, 86942]).finish()).toString('hex')).toBe(
      '3206038e029ea705',
    )
    expect(Buffer.from(new ProtobufWriter().int(1, -2).finish()).toString('hex')).toBe('08feffffffffffffffff01')
  })

  test('keeps every 64-bit integer and safe number (property)', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.maxSafeInteger(), (big, number) => {
        const reader = new ProtobufReader(new ProtobufWriter().int(1, big).int(500, number).finish())
        expect(reader.next()).toBe(true)
        expect(reader.bigint()).toBe(big)
        expect(reader.next()).toBe(true)
        expect(reader.field).toBe(500)
        expect(reader.int()).toBe(number)
        expect(reader.next()).toBe(false)
      }),
      { seed: 8, numRuns: 1000 },
    )
  })

  test('keeps nested messages of any size, also around referenced bytes (property)', () => {
    // Sizes around 128, 16384 and the threshold above which bytes are kept by reference.
    const sizes = fc.constantFrom(0, 1, 100, 127, 128, 4095, 4096, 16_383, 16_384, 70_000)
    fc.assert(
      fc.property(fc.array(sizes, { maxLength: 5 }), fc.string({ unit: 'grapheme' }), (lengths, text) => {
        const writer = new ProtobufWriter(16)
        writer.message(1, (outer) => {
          outer.string(1, text)
          for (const [i, length] of lengths.entries()) {
            outer.message(2, (inner) => inner.bytes(1, new Uint8Array(length).fill(i + 1)).string(2, `${text}${i}`))
          }
          outer.double(3, Math.PI)
        })
        const bytes = writer.finish()
        expect(writer.size).toBe(bytes.length)
        const top = new ProtobufReader(bytes)
        expect(top.next()).toBe(true)
        const outer = top.message()
        expect(top.next()).toBe(false)
        expect(outer.next()).toBe(true)
        expect(outer.string()).toBe(text)
        for (const [i, length] of lengths.entries()) {
          expect(outer.next()).toBe(true)
          const inner = outer.message()
          expect(inner.next()).toBe(true)
          expect(inner.bytes().length).toBe(length)
          expect(inner.bytes().every((byte) => byte === i + 1)).toBe(true)
          expect(inner.next()).toBe(true)
          expect(inner.string()).toBe(`${text}${i}`)
        }
        expect(outer.next()).toBe(true)
        expect(outer.double()).toBe(Math.PI)
        expect(outer.next()).toBe(false)
      }),
      { seed: 9, numRuns: 60 },
    )
  })

  test('reads packed and unpacked repeated fields alike', () => {
    for (const bytes of [
      new ProtobufWriter().packedInts(1, [1, -1, 300]).packedFloats(2, [0.5, -2]).finish(),
      new ProtobufWriter().int(1, 1).int(1, -1).int(1, 300).float(2, 0.5).float(2, -2).finish(),
    ]) {
      const ints: bigint[] = []
      const floats: number[] = []
      const reader = new ProtobufReader(bytes)
      while (reader.next()) reader.field === 1 ? reader.appendInts(ints) : reader.appendFloats(floats)
      expect(ints).toEqual([1n, -1n, 300n])
      expect(floats).toEqual([0.5, -2])
    }
  })

  test('refuses numbers that are not integers', () => {
    expect(() => new ProtobufWriter().int(1, 1.5)).toThrow(RangeError)
    expect(() => new ProtobufWriter().int(1, -(2 ** 60))).toThrow(RangeError)
  })

  test.each([
    ['length beyond the end', '0a05aa'],
    ['end inside a varint', '0880'],
    ['varint of eleven bytes', '08ffffffffffffffffffff01'],
    ['group', '0b'],
    ['field 0', '0001'],
    ['fixed32 cut short', '0d0000'],
  ])('reports damage: %s', (_, hex) => {
    const reader = new ProtobufReader(Buffer.from(hex, 'hex'))
    const walk = () => {
      while (reader.next()) reader.field
    }
    expect(walk).toThrow(VideoMaeError)
  })

  test('ends on any bytes, with its own error at worst (property)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          const reader = new ProtobufReader(bytes)
          while (reader.next()) reader.appendInts([])
        } catch (error) {
          expect(error).toBeInstanceOf(VideoMaeError)
        }
      }),
      { seed: 10, numRuns: 1000 },
    )
  })
})
