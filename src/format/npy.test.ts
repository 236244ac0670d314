import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type NpyArray, type NpyDtype, readNpy, writeNpy } from './npy.ts'

let folder: string
let path: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'npy-'))
  path = join(folder, 'x.npy')
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

/** A file with this header text and data. */
async function file(header: string, data: ArrayBufferView, version = 1): Promise<string> {
  const text = Buffer.from(header, version === 3 ? 'utf8' : 'latin1')
  const size = version === 1 ? Buffer.alloc(2) : Buffer.alloc(4)
  if (version === 1) size.writeUInt16LE(text.length)
  else size.writeUInt32LE(text.length)
  const start = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0])
  await writeFile(path, Buffer.concat([start, size, text, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]))
  return path
}

describe('npy', () => {
  test.each<[NpyDtype, number[], NpyArray]>([
    ['f4', [2, 3], Float32Array.of(1, -2, 3.5, Number.NaN, 5, 6)],
    ['f8', [], Float64Array.of(Math.PI)],
    ['f2', [3], Uint16Array.of(0x3c00, 1, 2)],
    ['i4', [1, 1, 2], Int32Array.of(-1, 2 ** 31 - 1)],
    ['i8', [2], BigInt64Array.of(-1n, 1n << 60n)],
    ['u1', [0, 4], new Uint8Array(0)],
    ['b1', [2], Uint8Array.of(0, 1)],
    ['i2', [2], Int16Array.of(-1, 32_767)],
    ['i1', [2], Int8Array.of(-1, 127)],
    ['u8', [1], BigUint64Array.of((1n << 64n) - 1n)],
    ['u4', [2], Uint32Array.of(0, 2 ** 32 - 1)],
    ['u2', [2], Uint16Array.of(0, 65_535)],
  ])('keeps %s of shape %j', async (dtype, shape, data) => {
    await writeNpy(path, shape, data, dtype)
    expect(await readNpy(path)).toEqual({ shape, dtype, data })
    const bytes = await readFile(path)
    expect((bytes.length - data.byteLength) % 64).toBe(0)
  })

  test('writes the bytes that NumPy writes', async () => {
    // numpy.save of numpy.arange(3, dtype=numpy.int32), NumPy 2: header padded with spaces to 128 bytes.
    await writeNpy(path, [3], Int32Array.of(0, 1, 2))
    const bytes = await readFile(path)
    const header = "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }"
    expect(bytes.subarray(0, 10).toString('hex')).toBe('934e554d505901007600')
    expect(bytes.subarray(10, 128).toString()).toBe(`${header.padEnd(117)}\n`)
    expect(bytes.subarray(128).toString('hex')).toBe('000000000100000002000000')
  })

  test('reads versions 1 to 3 and keys in any order', async () => {
    for (const version of [1, 2, 3]) {
      const header = "{'shape': (2,), 'fortran_order': False, 'descr': '<f4'}\n"
      expect((await readNpy(await file(header, Float32Array.of(1, 2), version))).data).toEqual(Float32Array.of(1, 2))
    }
  })

  test('reads big-endian data, and shapes as Python 2 wrote them', async () => {
    // numpy.array([1, -2], dtype='>i2'), numpy.array([1.5], dtype='>f8')
    const words = "{'descr': '>i2', 'fortran_order': False, 'shape': (2L,), }\n"
    expect((await readNpy(await file(words, Uint8Array.of(0, 1, 255, 254)))).data).toEqual(Int16Array.of(1, -2))
    const doubles = "{'descr': '>f8', 'fortran_order': False, 'shape': (1,), }\n"
    const bytes = Uint8Array.of(0x3f, 0xf8, 0, 0, 0, 0, 0, 0)
    expect((await readNpy(await file(doubles, bytes))).data).toEqual(Float64Array.of(1.5))
  })

  test('turns Fortran order into row-major (property)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }), async (shape) => {
        const count = shape.reduce((a, b) => a * b, 1)
        const expected = Int32Array.from({ length: count }, (_, i) => i)
        const fortran = new Int32Array(count)
        for (let i = 0; i < count; i++) {
          // Coordinates from the row-major index, then the column-major index.
          let rest = i
          let to = 0
          const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((a, b) => a * b, 1))
          for (let axis = shape.length - 1; axis >= 0; axis--) {
            to += (rest % shape[axis]) * strides[axis]
            rest = Math.floor(rest / shape[axis])
          }
          fortran[to] = i
        }
        const header = `{'descr': '<i4', 'fortran_order': True, 'shape': (${shape.join(', ')},), }\n`
        expect((await readNpy(await file(header, fortran))).data).toEqual(expected)
      }),
      { seed: 12, numRuns: 40 },
    )
  })

  test.each([
    ['complex', "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", 'element type'],
    ['long double', "{'descr': '<f16', 'fortran_order': False, 'shape': (1,), }", 'element type'],
    ['text', "{'descr': '<U2', 'fortran_order': False, 'shape': (1,), }", 'element type'],
    ['pickled', "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", 'element type'],
    ['structured', "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", 'not describe a plain array'],
    ['short', "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 'needs 12 bytes and 8 follow'],
    ['negative', "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", 'its shape is'],
    ['huge', "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }", 'its shape is'],
    // NumPy takes the last of two.
    [
      'a key twice',
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'shape': (1, 2), }",
      'not describe a plain array',
    ],
    ['a key more', "{'x': 1, 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 'not describe a plain array'],
    [
      'a key inside a text',
      "{\"x\": \"'descr': '<f4', 'fortran_order': False, 'shape': (2,)\"}",
      'not describe a plain array',
    ],
    ['text behind it', "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } + 1", 'not describe a plain array'],
    ['empty size', "{'descr': '<f4', 'fortran_order': False, 'shape': (2,,2), }", 'its shape is'],
  ])('refuses %s', async (_, header, message) => {
    await expect(readNpy(await file(header, Float32Array.of(1, 2)))).rejects.toThrow(message)
  })

  test('refuses other files and versions', async () => {
    await writeFile(path, 'PK not numpy at all')
    await expect(readNpy(path)).rejects.toMatchObject({ code: 'NPY_INVALID' })
    await file('{}', Float32Array.of(1), 4)
    await expect(readNpy(path)).rejects.toThrow('format version is 4')
    await writeFile(path, Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 2, 0, 255, 255, 255, 255))
    await expect(readNpy(path)).rejects.toThrow('does not fit')
  })

  test('refuses to write what does not fit', async () => {
    await expect(writeNpy(path, [3], new Float32Array(2))).rejects.toThrow('npy shape')
    await expect(writeNpy(path, [2], new Float32Array(2), 'f8')).rejects.toThrow('npy data')
  })
})
