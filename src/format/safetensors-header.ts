import { VideoMaeError } from '../core/errors.ts'
import { valueCount } from './file-bytes.ts'
import { parseUniqueJson } from './json.ts'

/** Element types of the container that we read and write, with their width in bytes. */
export const safetensorsWidths = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const
export type SafetensorsDtype = keyof typeof safetensorsWidths

/** Arrays in which tensors come and go. F16 and BF16 are bit patterns in Uint16Array, BOOL is 0 or 1 in Uint8Array. */
export type TensorArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array

export interface TensorInfo {
  readonly dtype: SafetensorsDtype
  readonly shape: readonly number[]
}

/** Where a tensor's bytes are, counted from the end of the header. */
export interface TensorEntry extends TensorInfo {
  readonly begin: number
  readonly end: number
}

export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, TensorEntry>
  readonly metadata: Readonly<Record<string, string>>
}

/** The format allows headers up to 100 MB; a real one has some ten kilobytes. */
export const largestHeader = 100_000_000

export function malformed(path: string, problem: string, cause?: unknown): VideoMaeError {
  return new VideoMaeError(`Expected a safetensors file in ${path}, but ${problem}.`, {
    code: 'SAFETENSORS_INVALID',
    exit: 'data',
    hint: 'The file is damaged, cut short or in another format; copy or download it again.',
    cause,
  })
}

/**
 * Size of the JSON header from the file's first 8 bytes (little-endian u64), checked against the file's size.
 * @throws VideoMaeError `SAFETENSORS_INVALID`
 */
export function headerSize(path: string, prefix: Uint8Array, fileSize: number): number {
  if (prefix.length < 8 || fileSize < 8) throw malformed(path, `it has only ${fileSize} bytes`)
  const size = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true)
  if (size > BigInt(largestHeader)) {
    throw malformed(path, `its header would have ${size} bytes, more than the ${largestHeader} that the format allows`)
  }
  if (Number(size) > fileSize - 8) {
    throw malformed(path, `its header of ${size} bytes does not fit into the file of ${fileSize} bytes`)
  }
  return Number(size)
}

/**
 * Parse and check a header. The rules are the format's own: sizes must match shapes, and the tensors must cover the
 * data exactly, without gaps or overlaps, so that no byte of a file is hidden or read twice.
 *
 * @param dataSize bytes of the file after the header
 * @throws VideoMaeError `SAFETENSORS_INVALID`
 */
export function parseHeader(path: string, bytes: Uint8Array, dataSize: number): SafetensorsHeader {
  if (bytes[0] !== 0x7b) throw malformed(path, 'its header does not begin with "{"')
  let json: unknown
  try {
    json = parseUniqueJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw malformed(path, `its header is not valid JSON (${(error as Error).message})`, error)
  }
  if (!isRecord(json)) throw malformed(path, 'its header is not a JSON object')

  const tensors = new Map<string, TensorEntry>()
  let metadata: Readonly<Record<string, string>> = {}
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') metadata = parseMetadata(path, value)
    else tensors.set(name, parseEntry(path, name, value))
  }

  const order = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)
  let end = 0
  for (const [name, entry] of order) {
    if (entry.begin !== end) {
      const what = entry.begin < end ? 'overlaps another tensor' : 'leaves a gap before it'
      throw malformed(path, `tensor ${show(name)} at bytes ${entry.begin}-${entry.end} ${what} (expected ${end})`)
    }
    end = entry.end
  }
  if (end !== dataSize) {
    const what = end > dataSize ? 'the file is cut short' : 'the file has bytes that belong to no tensor'
    throw malformed(path, `its tensors need ${end} bytes, but ${dataSize} follow the header: ${what}`)
  }
  return { tensors, metadata }
}

function parseMetadata(path: string, value: unknown): Readonly<Record<string, string>> {
  if (!isRecord(value)) throw malformed(path, '"__metadata__" is not an object')
  const metadata: [string, string][] = []
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw malformed(path, `metadata ${show(key)} is not a string`)
    metadata.push([key, text])
  }
  return Object.fromEntries(metadata)
}

function parseEntry(path: string, name: string, value: unknown): TensorEntry {
  const fail = (problem: string) => malformed(path, `tensor ${show(name)} ${problem}`)
  if (!isRecord(value)) throw fail('is not described by an object')
  const { dtype, shape, data_offsets: offsets } = value
  if (!isDtype(dtype)) {
    throw fail(
      `has element type ${show(dtype)}, which is not one of ${Object.keys(safetensorsWidths).sort().join(', ')}`,
    )
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) throw fail(`has the impossible shape ${show(shape)}`)
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    throw fail(`has impossible data_offsets ${show(offsets)}`)
  }
  const [begin, end] = offsets as [number, number]
  const size = valueCount(shape) * safetensorsWidths[dtype]
  if (!Number.isSafeInteger(size) || end - begin !== size) {
    throw fail(`of type ${dtype} and shape [${shape.join(', ')}] needs ${size} bytes, but its data has ${end - begin}`)
  }
  return { dtype, shape, begin, end }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isDtype(value: unknown): value is SafetensorsDtype {
  return typeof value === 'string' && Object.hasOwn(safetensorsWidths, value)
}

/** A value from a hostile file, short enough for a message. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 120 ? `${text.slice(0, 117)}...` : text
}
