import { open } from 'node:fs/promises'
import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { bytesOf, readFully, valueCount, writeFully } from './file-bytes.ts'
import { openRegularFile } from './regular-file.ts'

/** Element types of NumPy files, as NumPy names them (without byte order). */
export const npyDtypes = ['f8', 'f4', 'f2', 'i8', 'i4', 'i2', 'i1', 'u8', 'u4', 'u2', 'u1', 'b1'] as const
export type NpyDtype = (typeof npyDtypes)[number]

/** f2 holds bit patterns in Uint16Array (see half.ts), b1 holds 0 or 1 in Uint8Array, i8 and u8 are 64 bits wide. */
export type NpyArray =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | BigUint64Array
  | Uint32Array
  | Uint16Array
  | Uint8Array

export interface Npy {
  readonly shape: readonly number[]
  readonly dtype: NpyDtype
  /** Row-major (C order). */
  readonly data: NpyArray
}

const magic = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59) // \x93NUMPY
const widths: Readonly<Record<NpyDtype, number>> = {
  ...{ f8: 8, f4: 4, f2: 2, i8: 8, i4: 4, i2: 2, i1: 1 },
  ...{ u8: 8, u4: 4, u2: 2, u1: 1, b1: 1 },
}
/** Headers are below 200 bytes unless an array has thousands of named fields, which we do not read. */
const largestHeader = 1 << 20

function invalid(path: string, problem: string): VideoMaeError {
  return new VideoMaeError(`Expected a NumPy .npy file in ${path}, but ${problem}.`, {
    code: 'NPY_INVALID',
    exit: 'data',
  })
}

/**
 * Read a NumPy array file, format versions 1 to 3. Fortran order is turned into row-major, big-endian data into the byte order
 * of this machine.
 *
 * @throws VideoMaeError `NPY_INVALID` for a damaged file, another element type or pickled data
 */
export async function readNpy(path: string): Promise<Npy> {
  const file = await openRegularFile(path)
  try {
    const { size } = await file.stat()
    const start = new Uint8Array(12)
    const got = await readFully(file, start, 0)
    if (got < 10 || magic.some((byte, i) => start[i] !== byte)) throw invalid(path, 'it does not begin like one')
    const version = start[6]
    if (version < 1 || version > 3) throw invalid(path, `its format version is ${version}.${start[7]}, not 1 to 3`)
    const view = new DataView(start.buffer)
    const headerAt = version === 1 ? 10 : 12
    const headerSize = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
    if (headerSize > largestHeader || headerAt + headerSize > size) {
      throw invalid(path, `its header of ${headerSize} bytes does not fit into the file of ${size} bytes`)
    }
    const headerBytes = new Uint8Array(headerSize)
    await readFully(file, headerBytes, headerAt)
    const text = new TextDecoder(version === 3 ? 'utf-8' : 'latin1').decode(headerBytes)
    const { dtype, bigEndian, shape, fortran } = parseHeader(path, text)

    const bytes = valueCount(shape) * widths[dtype]
    const available = size - headerAt - headerSize
    if (bytes !== available) {
      throw invalid(path, `shape (${shape.join(', ')}) of ${dtype} needs ${bytes} bytes and ${available} follow`)
    }
    const raw = new Uint8Array(bytes)
    if ((await readFully(file, raw, headerAt + headerSize)) !== bytes)
      throw invalid(path, 'it was cut short while it was read')
    if (bigEndian) reverseBytes(raw, widths[dtype])
    const data = viewAs(dtype, raw.buffer)
    return { shape, dtype, data: fortran && shape.length > 1 ? toRowMajor(data, shape) : data }
  } finally {
    await file.close()
  }
}

/** One key of a header with its value, as Python writes them, and what follows. */
const entryPattern = /\s*(['"])(\w+)\1\s*:\s*('[^']*'|"[^"]*"|\w+|\([^()]*\))\s*(,|(?=\}))/y

/** The values of a header by their keys; none where it is no dictionary, or has a key twice or one that no array has. */
function entriesOf(text: string): ReadonlyMap<string, string> {
  const entries = new Map<string, string>()
  const none = new Map<string, string>()
  const dictionary = text.trim()
  if (!dictionary.startsWith('{')) return none
  const pattern = new RegExp(entryPattern)
  pattern.lastIndex = 1
  let end = 1
  for (let entry = pattern.exec(dictionary); entry !== null; entry = pattern.exec(dictionary)) {
    const [, , key, value] = entry
    if (entries.has(key)) return none
    entries.set(key, value)
    end = pattern.lastIndex
  }
  return entries.size === 3 && dictionary.slice(end).trim() === '}' ? entries : none
}

/** The header is a Python dictionary literal with three keys in any order. */
function parseHeader(
  path: string,
  text: string,
): { dtype: NpyDtype; bigEndian: boolean; shape: number[]; fortran: boolean } {
  const entries = entriesOf(text)
  const descr = /^(['"])([^'"]*)\1$/.exec(entries.get('descr') ?? '')?.[2]
  const order = /^(True|False)$/.exec(entries.get('fortran_order') ?? '')?.[1]
  const sizes = /^\((.*)\)$/s.exec(entries.get('shape') ?? '')?.[1]
  if (descr === undefined || order === undefined || sizes === undefined) {
    throw invalid(path, `its header does not describe a plain array: ${JSON.stringify(text.trim().slice(0, 120))}`)
  }
  const dtype = npyDtypes.find((known) => descr.replace(/^[<>|=]/, '') === known)
  if (dtype === undefined) {
    throw invalid(path, `its element type is ${JSON.stringify(descr)}, not one of ${npyDtypes.join(', ')}`)
  }
  const shape = sizes
    .split(',')
    .map((size) => size.trim())
    .filter((size, i, all) => size !== '' || i !== all.length - 1)
    .map((size) => (/^\d+L?$/.test(size) ? Number.parseInt(size, 10) : Number.NaN))
  if (!shape.every(Number.isSafeInteger) || !Number.isSafeInteger(valueCount(shape))) {
    throw invalid(path, `its shape is (${sizes.slice(0, 120)})`)
  }
  return { dtype, bigEndian: descr.startsWith('>'), shape, fortran: order === 'True' }
}

/** Turns the bytes of each element round, in place. */
function reverseBytes(bytes: Uint8Array, width: number): void {
  for (let at = 0; width > 1 && at < bytes.length; at += width) bytes.subarray(at, at + width).reverse()
}

function viewAs(dtype: NpyDtype, buffer: ArrayBuffer): NpyArray {
  switch (dtype) {
    case 'f8':
      return new Float64Array(buffer)
    case 'f4':
      return new Float32Array(buffer)
    case 'f2':
      return new Uint16Array(buffer)
    case 'i8':
      return new BigInt64Array(buffer)
    case 'i4':
      return new Int32Array(buffer)
    case 'i2':
      return new Int16Array(buffer)
    case 'i1':
      return new Int8Array(buffer)
    case 'u8':
      return new BigUint64Array(buffer)
    case 'u4':
      return new Uint32Array(buffer)
    case 'u2':
      return new Uint16Array(buffer)
    case 'u1':
    case 'b1':
      return new Uint8Array(buffer)
  }
}

/** First index fastest to last index fastest; the array keeps its type. */
function toRowMajor(data: NpyArray, shape: readonly number[]): NpyArray {
  const out = data.slice()
  const strides: number[] = []
  let stride = 1
  for (const size of shape) {
    strides.push(stride)
    stride *= size
  }
  const index = new Array<number>(shape.length).fill(0)
  let from = 0
  for (let to = 0; to < out.length; to++) {
    out[to] = data[from]
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]++
      from += strides[axis]
      if (index[axis] < shape[axis]) break
      from -= strides[axis] * shape[axis]
      index[axis] = 0
    }
  }
  return out
}

/**
 * Write an array as NumPy does: version 1.0 header, data aligned to 64 bytes, row-major.
 *
 * @param dtype needed for u2 (a Uint16Array holds the bits of f2 otherwise) and b1 (a Uint8Array is u1 otherwise)
 * @throws VideoMaeError `INVALID_ARGUMENT` when shape, type and data do not fit together
 */
export async function writeNpy(
  path: string,
  shape: readonly number[],
  data: NpyArray,
  dtype: NpyDtype = dtypeOf(data),
): Promise<void> {
  if (!(data instanceof viewAs(dtype, new ArrayBuffer(0)).constructor)) {
    throw invalidArgument('npy data', `an array for ${dtype}`, data.constructor.name)
  }
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0) || valueCount(shape) !== data.length) {
    throw invalidArgument('npy shape', `sizes whose product is ${data.length}`, `(${shape.join(', ')})`)
  }
  const file = await open(path, 'w')
  try {
    await writeFully(file, npyHeader(shape, dtype))
    await writeFully(file, bytesOf(data))
    await file.sync()
  } finally {
    await file.close()
  }
}

/** What comes before the values: version 1.0, row-major, little-endian, padded to a multiple of 64 bytes. */
export function npyHeader(shape: readonly number[], dtype: NpyDtype): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const descr = (widths[dtype] === 1 ? '|' : '<') + dtype
  const dictionary = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`
  const total = Math.ceil((10 + dictionary.length + 1) / 64) * 64
  const header = new Uint8Array(total).fill(0x20)
  header.set(magic)
  header.set([1, 0, (total - 10) & 255, (total - 10) >> 8], 6)
  header.set(new TextEncoder().encode(dictionary), 10)
  header[total - 1] = 0x0a
  return header
}

function dtypeOf(data: NpyArray): NpyDtype {
  if (data instanceof Float32Array) return 'f4'
  if (data instanceof Float64Array) return 'f8'
  if (data instanceof Uint16Array) return 'f2'
  if (data instanceof BigInt64Array) return 'i8'
  if (data instanceof BigUint64Array) return 'u8'
  if (data instanceof Int32Array) return 'i4'
  if (data instanceof Int16Array) return 'i2'
  if (data instanceof Int8Array) return 'i1'
  if (data instanceof Uint32Array) return 'u4'
  return 'u1'
}
