import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { checksumKey, headerChecksumKey, noChecksum } from './checksum.ts'
import { bytesOf, GatheringWriter, valueCount, writeFully } from './file-bytes.ts'
import { type SafetensorsDtype, safetensorsWidths, type TensorArray, type TensorInfo } from './safetensors-header.ts'

/** A tensor to write. */
export interface SafetensorsTensor {
  readonly shape: readonly number[]
  /** Row-major values, or a function that fetches them when their turn comes, so that not all are in memory at once. */
  readonly data: TensorArray | (() => TensorArray | Promise<TensorArray>)
  /** Element type; needed for a function, and for F16, BF16 (bits in Uint16Array) and BOOL (Uint8Array). */
  readonly dtype?: SafetensorsDtype
}

/** JSON cannot tell a metadata block from a tensor of that name. */
const reservedName = '__metadata__'

/**
 * Write a safetensors file and flush it to the disk. The header is padded with spaces to a multiple of 8 bytes and
 * wider elements come first, so every tensor is aligned for memory mapping; equal tensors give equal bytes whatever the
 * order of the map. The file is not replaced atomically: see `replaceFile` in atomic.ts.
 *
 * @param metadata may hold `withChecksum`: then readers find out when the tensors are not those that were written
 * @throws VideoMaeError `INVALID_ARGUMENT` when a name, shape, type and data do not fit together
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, SafetensorsTensor>,
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  const entries = [...tensors].map(([name, tensor]) => ({ name, tensor, ...describe(name, tensor) }))
  entries.sort((a, b) => safetensorsWidths[b.dtype] - safetensorsWidths[a.dtype] || (a.name < b.name ? -1 : 1))

  const header: Record<string, unknown> = Object.create(null)
  if (metadata && Object.keys(metadata).length > 0) {
    for (const [key, value] of Object.entries(metadata)) {
      if (typeof value !== 'string') throw invalidArgument(`metadata.${key}`, 'a string', value)
    }
    header[reservedName] =
      metadata[checksumKey] === undefined
        ? metadata
        : { ...metadata, [checksumKey]: noChecksum, [headerChecksumKey]: noChecksum }
  }
  let offset = 0
  for (const { name, dtype, shape } of entries) {
    const end = offset + valueCount(shape) * safetensorsWidths[dtype]
    header[name] = { dtype, shape, data_offsets: [offset, end] }
    offset = end
  }
  const head = headOf(header)
  const hash = metadata?.[checksumKey] === undefined ? null : createHash('sha256')
  const file = await open(path, 'w')
  try {
    const writer = new GatheringWriter(file)
    await writer.write(head)
    for (const { name, tensor, dtype, shape } of entries) {
      const data = typeof tensor.data === 'function' ? await tensor.data() : tensor.data
      checkData(name, dtype, shape, data)
      hash?.update(bytesOf(data))
      await writer.write(bytesOf(data))
    }
    await writer.flush()
    if (hash !== null) {
      // As long as the zeros in their place, so that nothing moves.
      const checksums = {
        [checksumKey]: hash.digest('hex'),
        [headerChecksumKey]: createHash('sha256').update(head).digest('hex'),
      }
      header[reservedName] = { ...metadata, ...checksums }
      await writeFully(file, headOf(header), 0)
    }
    await file.sync()
  } finally {
    await file.close()
  }
}

function headOf(header: Readonly<Record<string, unknown>>): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(header))
  const padded = Math.ceil(json.length / 8) * 8
  const head = new Uint8Array(8 + padded).fill(0x20)
  new DataView(head.buffer).setBigUint64(0, BigInt(padded), true)
  head.set(json, 8)
  return head
}

function describe(name: string, tensor: SafetensorsTensor): TensorInfo {
  if (name === reservedName) throw invalidArgument('tensor name', `a name other than ${reservedName}`, name)
  for (const size of tensor.shape) {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw invalidArgument(`shape of ${name}`, 'non-negative integers', `[${tensor.shape.join(', ')}]`)
    }
  }
  const dtype = tensor.dtype ?? (typeof tensor.data === 'function' ? undefined : dtypeOf(tensor.data))
  if (dtype === undefined || !Object.hasOwn(safetensorsWidths, dtype)) {
    throw invalidArgument(`dtype of ${name}`, 'an element type (a function that gives the data has none)', dtype)
  }
  if (typeof tensor.data !== 'function') checkData(name, dtype, tensor.shape, tensor.data)
  return { dtype, shape: [...tensor.shape] }
}

function checkData(name: string, dtype: SafetensorsDtype, shape: readonly number[], data: TensorArray): void {
  if (data.length !== valueCount(shape)) {
    throw new VideoMaeError(
      `Expected ${valueCount(shape)} values for tensor ${name} of shape [${shape.join(', ')}] but received ${data.length}.`,
      { code: 'INVALID_ARGUMENT', exit: 'usage' },
    )
  }
  const natural = dtypeOf(data)
  const fits =
    natural === dtype ||
    (natural === 'U16' && (dtype === 'F16' || dtype === 'BF16')) ||
    (natural === 'U8' && dtype === 'BOOL')
  if (!fits) throw invalidArgument(`data of ${name}`, `an array that holds ${dtype}`, data.constructor.name)
}

function dtypeOf(data: TensorArray): SafetensorsDtype {
  if (data instanceof Float32Array) return 'F32'
  if (data instanceof Float64Array) return 'F64'
  if (data instanceof BigInt64Array) return 'I64'
  if (data instanceof BigUint64Array) return 'U64'
  if (data instanceof Int32Array) return 'I32'
  if (data instanceof Uint32Array) return 'U32'
  if (data instanceof Int16Array) return 'I16'
  if (data instanceof Uint16Array) return 'U16'
  if (data instanceof Int8Array) return 'I8'
  return 'U8'
}
