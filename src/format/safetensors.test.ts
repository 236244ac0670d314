import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { VideoMaeError } from '../core/errors.ts'
import { headerChecksumKey, withChecksum } from './checksum.ts'
import { readSafetensors, type SafetensorsTensor, writeSafetensors } from './safetensors.ts'
import { parseHeader } from './safetensors-header.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'safetensors-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

async function errorOf(promise: Promise<unknown>): Promise<VideoMaeError> {
  try {
    await promise
  } catch (error) {
    if (error instanceof VideoMaeError) return error
    throw error
  }
  throw new Error('expected an error')
}

/** A file from a literal header and data, as somebody else's program would write it. */
async function file(name: string, header: string | Uint8Array, data = new Uint8Array(), claimed?: bigint) {
  const bytes = typeof header === 'string' ? new TextEncoder().encode(header) : header
  const out = new Uint8Array(8 + bytes.length + data.length)
  new DataView(out.buffer).setBigUint64(0, claimed ?? BigInt(bytes.length), true)
  out.set(bytes, 8)
  out.set(data, 8 + bytes.length)
  const path = join(folder, name)
  await writeFile(path, out)
  return path
}

const entry = (dtype: string, shape: unknown, offsets: unknown) => ({ dtype, shape, data_offsets: offsets })

describe('round trip', () => {
  const tensors = new Map<string, SafetensorsTensor>([
    ['bytes', { shape: [3], data: Uint8Array.of(1, 2, 255) }],
    ['f32', { shape: [2, 2], data: Float32Array.of(1.5, -2, Number.NaN, 1e-40) }],
    ['f64', { shape: [2], data: Float64Array.of(Math.PI, -1e300) }],
    ['i64', { shape: [2], data: BigInt64Array.of(-1n, 1n << 62n) }],
    ['i32', { shape: [1, 1, 2], data: Int32Array.of(-5, 7) }],
    ['half', { shape: [3], dtype: 'F16', data: Uint16Array.of(0x3c00, 0x0001, 0xfbff) }],
    ['brain', { shape: [2], dtype: 'BF16', data: Uint16Array.of(0x3f80, 0xc049) }],
    ['flag', { shape: [2], dtype: 'BOOL', data: Uint8Array.of(1, 0) }],
    ['scalar', { shape: [], data: Float32Array.of(4) }],
    ['empty', { shape: [0, 5], data: new Float32Array(0) }],
    ['__proto__', { shape: [1], data: Float32Array.of(8) }],
    ['naïve "名"', { shape: [1], data: async () => Float32Array.of(9), dtype: 'F32' }],
  ])

  test('keeps names, types, shapes, bits and metadata', async () => {
    const path = join(folder, 'all.safetensors')
    await writeSafetensors(path, tensors, { format: 'pt', 'note ü': 'x' })
    const opened = await readSafetensors(path)
    expect(opened.metadata).toEqual({ format: 'pt', 'note ü': 'x' })
    expect([...opened.names].sort()).toEqual([...tensors.keys()].sort())
    for (const [name, { shape, data, dtype }] of tensors) {
      expect(opened.info(name).shape).toEqual(shape)
      if (dtype) expect(opened.info(name).dtype).toBe(dtype)
      expect(await opened.read(name)).toEqual(typeof data === 'function' ? await data() : data)
    }
    expect(await opened.readFloat32('f64')).toEqual(Float32Array.of(Math.PI, Number.NEGATIVE_INFINITY))
    expect(await opened.readFloat32('half')).toEqual(Float32Array.of(1, 2 ** -24, -65504))
    expect(await opened.readFloat32('brain')).toEqual(Float32Array.of(1, -3.140625))
    expect((await errorOf(opened.readFloat32('i64'))).code).toBe('TENSOR_TYPE')
    const missing = await errorOf(opened.readFloat32('layer.f32'))
    expect(missing.code).toBe('TENSOR_MISSING')
    expect(missing.message).toContain('layer.f32')
    await opened.close()
  })

  test('aligns every tensor and does not depend on the order of the map', async () => {
    const path = join(folder, 'order.safetensors')
    await writeSafetensors(path, tensors)
    const first = await readFile(path)
    await writeSafetensors(path, new Map([...tensors].reverse()))
    expect(await readFile(path)).toEqual(first)
    const size = Number(first.readBigUInt64LE(0))
    expect(size % 8).toBe(0)
    const header = parseHeader(path, first.subarray(8, 8 + size), first.length - 8 - size)
    for (const [name, { begin }] of header.tensors) {
      const data = tensors.get(name)?.data
      expect(begin % (data && typeof data !== 'function' ? data.BYTES_PER_ELEMENT : 4)).toBe(0)
    }
  })

  test('keeps any float32 bits (property)', async () => {
    const path = join(folder, 'property.safetensors')
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string({ minLength: 1 }), fc.float32Array({ maxLength: 20 }), { maxKeys: 6 }),
        async (values) => {
          await writeSafetensors(
            path,
            new Map(Object.entries(values).map(([n, data]) => [n, { shape: [data.length], data }])),
          )
          const opened = await readSafetensors(path)
          for (const [name, data] of Object.entries(values)) expect(await opened.readFloat32(name)).toEqual(data)
          expect(opened.names.length).toBe(Object.keys(values).length)
          await opened.close()
        },
      ),
      { seed: 3, numRuns: 40 },
    )
  })

  test('with checksums notices every changed byte, but those of the name of one of them', async () => {
    const path = join(folder, 'checksum.safetensors')
    const intact = async () => {
      const opened = await readSafetensors(path)
      await opened.requireIntact().finally(() => opened.close())
    }
    await writeSafetensors(path, tensors, { format: 'pt', ...withChecksum })
    await intact()
    const bytes = await readFile(path)
    const name = bytes.indexOf(headerChecksumKey)
    expect(name).toBeGreaterThan(8)
    for (let at = 0; at < bytes.length; at++) {
      if (at >= name && at < name + headerChecksumKey.length) continue
      bytes[at] ^= 1
      await writeFile(path, bytes)
      bytes[at] ^= 1
      const error = await errorOf(intact())
      expect([error.code, error.message]).toEqual(['SAFETENSORS_INVALID', expect.stringContaining(path)])
    }
    // A file of another program has none.
    await writeSafetensors(path, tensors)
    await intact()
  })

  test('with checksums notices tensors that changed places, and without that of the header reads what an earlier version wrote', async () => {
    const path = join(folder, 'swapped.safetensors')
    const same = { shape: [2], dtype: 'F32' } as const
    const two = new Map([
      ['a', { ...same, data: Float32Array.of(1, 2) }],
      ['b', { ...same, data: Float32Array.of(3, 4) }],
    ])
    await writeSafetensors(path, two, withChecksum)
    const bytes = await readFile(path)
    const intact = async (change: (text: string) => string) => {
      await writeFile(path, Buffer.from(change(bytes.toString('latin1')), 'latin1'))
      const opened = await readSafetensors(path)
      await opened.requireIntact().finally(() => opened.close())
    }
    const swapped = (text: string) => text.replace('"a":', '"c":').replace('"b":', '"a":').replace('"c":', '"b":')
    expect((await errorOf(intact(swapped))).message).toMatch(
      /^Expected a header in .*swapped\.safetensors with the SHA-256 /,
    )
    await intact((text) => text.replace(headerChecksumKey, 'an.earlier.version.had'))
  })

  test('refuses data that does not fit', async () => {
    const path = join(folder, 'bad-write.safetensors')
    const one = (tensor: SafetensorsTensor, name = 'x') => errorOf(writeSafetensors(path, new Map([[name, tensor]])))
    expect((await one({ shape: [3], data: Float32Array.of(1) })).message).toContain('Expected 3 values for tensor x')
    expect((await one({ shape: [1], dtype: 'F16', data: Float32Array.of(1) })).message).toContain('F16')
    expect((await one({ shape: [1.5], data: Float32Array.of(1) })).message).toContain('shape of x')
    expect((await one({ shape: [1], data: () => Float32Array.of(1) })).message).toContain('dtype of x')
    expect((await one({ shape: [1], data: Float32Array.of(1) }, '__metadata__')).message).toContain('__metadata__')
    expect((await one({ shape: [2], dtype: 'F32', data: () => Float32Array.of(1) })).message).toContain('Expected 2')
  })
})

describe('hostile files', () => {
  const good = entry('F32', [2], [0, 8])
  const cases: readonly [string, string | Uint8Array, number, string][] = [
    ['no brace', '[1]', 0, 'does not begin with'],
    ['empty header', '', 0, 'does not begin with'],
    ['bad json', '{"a":', 0, 'not valid JSON'],
    ['bad utf-8', Uint8Array.of(0x7b, 0xff, 0x7d), 0, 'not valid JSON'],
    ['entry not an object', '{"a":3}', 0, 'not described by an object'],
    ['metadata not strings', '{"__metadata__":{"a":1}}', 0, 'is not a string'],
    ['metadata a list', '{"__metadata__":[]}', 0, 'is not an object'],
    ['unknown type', JSON.stringify({ a: entry('F99', [2], [0, 8]) }), 8, 'element type "F99"'],
    ['inherited type', JSON.stringify({ a: entry('constructor', [2], [0, 8]) }), 8, 'element type'],
    ['negative size', JSON.stringify({ a: entry('F32', [-2], [0, 8]) }), 8, 'impossible shape'],
    ['fraction', JSON.stringify({ a: entry('F32', [0.5], [0, 2]) }), 2, 'impossible shape'],
    ['size over 2^53', '{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,8]}}', 8, 'impossible shape'],
    ['product overflow', JSON.stringify({ a: entry('F32', [2 ** 40, 2 ** 40], [0, 8]) }), 8, 'needs'],
    ['infinite times zero', JSON.stringify({ a: entry('F32', [...Array(30).fill(2 ** 50), 0], [0, 0]) }), 0, 'needs'],
    ['offsets short', JSON.stringify({ a: entry('F32', [2], [0]) }), 8, 'impossible data_offsets'],
    ['offsets backwards', JSON.stringify({ a: entry('F32', [2], [8, 0]) }), 8, 'needs 8 bytes'],
    ['size and shape differ', JSON.stringify({ a: entry('F32', [3], [0, 8]) }), 8, 'needs 12 bytes'],
    ['overlap', JSON.stringify({ a: good, b: entry('F32', [2], [4, 12]) }), 12, 'overlaps'],
    ['same bytes twice', JSON.stringify({ a: good, b: good }), 8, 'overlaps'],
    ['gap', JSON.stringify({ a: good, b: entry('F32', [1], [12, 16]) }), 16, 'leaves a gap'],
    ['gap at the start', JSON.stringify({ a: entry('F32', [1], [4, 8]) }), 8, 'leaves a gap'],
    ['cut short', JSON.stringify({ a: good }), 7, 'cut short'],
    ['hidden bytes', JSON.stringify({ a: good }), 9, 'belong to no tensor'],
  ]
  test.each(cases)('%s', async (name, header, dataSize, message) => {
    const path = await file('hostile.safetensors', header, new Uint8Array(dataSize))
    const error = await errorOf(readSafetensors(path))
    expect(error.code).toBe('SAFETENSORS_INVALID')
    expect(error.message, name).toContain(message)
    expect(error.message).toContain(path)
    expect(error.exit).toBe('data')
  })

  test('refuses impossible header sizes before allocating anything', async () => {
    for (const claimed of [2n ** 64n - 1n, 100_000_001n]) {
      const error = await errorOf(readSafetensors(await file('size.safetensors', '{}', undefined, claimed)))
      expect(error.message).toContain('more than the 100000000')
    }
    const beyond = await errorOf(readSafetensors(await file('size.safetensors', '{}', undefined, 50n)))
    expect(beyond.message).toContain('does not fit')
    const tiny = join(folder, 'tiny.safetensors')
    await writeFile(tiny, 'abc')
    expect((await errorOf(readSafetensors(tiny))).message).toContain('only 3 bytes')
  })

  test('never throws anything but its own error on damaged bytes (property)', async () => {
    const path = join(folder, 'damaged.safetensors')
    await writeSafetensors(path, new Map([['a', { shape: [2, 3], data: new Float32Array(6) }]]), { k: 'v' })
    const bytes = await readFile(path)
    const headerBytes = bytes.readUInt32LE(0)
    fc.assert(
      fc.property(fc.nat(headerBytes - 1), fc.nat(255), (at, value) => {
        const damaged = Uint8Array.from(bytes.subarray(8, 8 + headerBytes))
        damaged[at] = value
        try {
          parseHeader(path, damaged, 24)
        } catch (error) {
          expect(error).toBeInstanceOf(VideoMaeError)
        }
      }),
      { seed: 4, numRuns: 500 },
    )
  })

  test('notices a file that shrinks while it is open', async () => {
    const path = await file('shrink.safetensors', JSON.stringify({ a: good }), new Uint8Array(8))
    const opened = await readSafetensors(path)
    await truncate(path, 20)
    expect((await errorOf(opened.read('a'))).message).toContain('was cut short')
    await opened.close()
  })

  test('says when there is no file or no checkpoint in a directory', async () => {
    expect((await errorOf(readSafetensors(join(folder, 'none')))).code).toBe('SAFETENSORS_NOT_FOUND')
    expect((await errorOf(readSafetensors(folder))).message).toMatch(/model\.safetensors.*which holds/)
  })
})

describe('sharded checkpoints', () => {
  async function sharded(name: string, weightMap: unknown): Promise<string> {
    const directory = join(folder, name)
    await mkdir(directory)
    const shard = (id: number, tensor: string) =>
      writeSafetensors(
        join(directory, `model-0000${id}-of-00002.safetensors`),
        new Map([[tensor, { shape: [2], data: Float32Array.of(id, id) }]]),
        { format: 'pt', [`from${id}`]: 'yes' },
      )
    await shard(1, 'first')
    await shard(2, 'second')
    const index = { metadata: { total_size: 16 }, weight_map: weightMap }
    await writeFile(join(directory, 'model.safetensors.index.json'), JSON.stringify(index))
    return directory
  }

  test('are one file to the reader', async () => {
    const directory = await sharded('sharded', {
      first: 'model-00001-of-00002.safetensors',
      second: 'model-00002-of-00002.safetensors',
    })
    const opened = await readSafetensors(directory)
    expect(opened.names).toEqual(['first', 'second'])
    expect(await opened.readFloat32('second')).toEqual(Float32Array.of(2, 2))
    expect(opened.metadata).toEqual({ format: 'pt', from1: 'yes', from2: 'yes' })
    await opened.close()
  })

  test.each([
    ['escape', { first: '../all.safetensors' }, 'not a .safetensors file next to it'],
    ['absolute', { first: '/etc/passwd' }, 'not a .safetensors file next to it'],
    ['absent', { first: 'model-3.safetensors' }, 'is missing'],
    ['long', { first: `${'a'.repeat(300)}.safetensors` }, 'is missing'],
    ['null', { first: 'a\0.safetensors' }, 'is missing'],
    ['elsewhere', { second: 'model-00001-of-00002.safetensors' }, 'is not in the shard'],
    ['map', 7, 'no "weight_map"'],
  ])('refuse a bad index: %s', async (name, weightMap, message) => {
    const directory = await sharded(`sharded-${name}`, weightMap)
    expect((await errorOf(readSafetensors(directory))).message).toContain(message)
  })
})
