import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { checksumKey, headerChecksumKey, noChecksum, shownChecksum } from './checksum.ts'
import { readFully } from './file-bytes.ts'
import { nothingAt, nothingIn, notSafetensors, otherFormat } from './foreign-weights.ts'
import { bfloat16ToFloat32, float16ToFloat32 } from './half.ts'
import { parseUniqueJson } from './json.ts'
import { isMissing } from './missing.ts'
import { openRegularFile, readRegularText } from './regular-file.ts'
import {
  headerSize,
  malformed,
  parseHeader,
  type SafetensorsDtype,
  type SafetensorsHeader,
  type TensorArray,
  type TensorInfo,
} from './safetensors-header.ts'

export type { SafetensorsDtype, TensorArray, TensorInfo } from './safetensors-header.ts'
export { type SafetensorsTensor, writeSafetensors } from './safetensors-write.ts'

/** An open checkpoint, one file or several shards. Headers are in memory, tensors are read when asked for. */
export interface SafetensorsFile {
  /** Every file that was opened: the index of shards, where there is one, then those with tensors. */
  readonly files: readonly string[]
  /** Names of all tensors, in the order of the header (shards one after the other). */
  readonly names: readonly string[]
  /** The free-form `__metadata__` strings; those of later shards win. */
  readonly metadata: Readonly<Record<string, string>>
  has(name: string): boolean
  /** @throws VideoMaeError `TENSOR_MISSING` */
  info(name: string): TensorInfo
  /** The tensor in its own element type, row-major. @throws VideoMaeError `TENSOR_MISSING`, `SAFETENSORS_INVALID` */
  read(name: string): Promise<TensorArray>
  /**
   * The tensor as float32, row-major; F16 and BF16 exactly, F64 rounded.
   * @throws VideoMaeError `TENSOR_MISSING`, `TENSOR_TYPE` for integers and booleans, `SAFETENSORS_INVALID`
   */
  readFloat32(name: string): Promise<Float32Array>
  /**
   * Compares tensors and header with the checksums that this program has written into the metadata. A file of another program has
   * none; one of an earlier version has that of the tensors alone.
   *
   * @throws VideoMaeError `SAFETENSORS_INVALID`
   */
  requireIntact(): Promise<void>
  close(): Promise<void>
}

interface Shard {
  readonly path: string
  readonly file: FileHandle
  readonly dataStart: number
  readonly header: SafetensorsHeader
}

/**
 * Open a checkpoint: a `.safetensors` file, a sharded checkpoint's `*.safetensors.index.json`, or a directory that holds
 * `model.safetensors` or `model.safetensors.index.json`.
 *
 * @throws VideoMaeError `SAFETENSORS_NOT_FOUND`, `PYTORCH_FILE`, `SAFETENSORS_INVALID` (damaged, cut short, hostile)
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await locate(path)
  return file.endsWith('.index.json') ? await openSharded(file) : openShards([await openShard(file)])
}

async function locate(path: string): Promise<string> {
  const kind = await kindOf(path)
  if (kind === 'file') return path
  if (kind === 'directory') {
    for (const name of ['model.safetensors', 'model.safetensors.index.json']) {
      if ((await kindOf(join(path, name))) === 'file') return join(path, name)
    }
  }
  throw kind === 'directory' ? await nothingIn(path) : nothingAt(path)
}

async function kindOf(path: string): Promise<'file' | 'directory' | 'none'> {
  try {
    return (await stat(path)).isDirectory() ? 'directory' : 'file'
  } catch (error) {
    if (isMissing(error)) return 'none'
    throw error
  }
}

async function openShard(path: string): Promise<Shard> {
  const file = await openRegularFile(path)
  try {
    const { size } = await file.stat()
    const prefix = new Uint8Array(8)
    await readFully(file, prefix, 0)
    const other = otherFormat(prefix)
    if (other !== null) throw notSafetensors(path, other)
    const bytes = new Uint8Array(headerSize(path, prefix, size))
    await readFully(file, bytes, 8)
    const dataStart = 8 + bytes.length
    return { path, file, dataStart, header: parseHeader(path, bytes, size - dataStart) }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function openSharded(indexPath: string): Promise<SafetensorsFile> {
  const weightMap = await readWeightMap(indexPath)
  const shards: Shard[] = []
  try {
    for (const name of new Set(weightMap.values())) {
      const path = join(dirname(indexPath), name)
      if ((await kindOf(path)) !== 'file') throw malformed(indexPath, `its shard ${JSON.stringify(name)} is missing`)
      shards.push(await openShard(path))
    }
    const opened = openShards(shards, indexPath)
    for (const [tensor, name] of weightMap) {
      const shard = shards.find((candidate) => basename(candidate.path) === name)
      if (!shard?.header.tensors.has(tensor)) {
        throw malformed(indexPath, `tensor ${JSON.stringify(tensor)} is not in the shard ${name} that the index names`)
      }
    }
    return opened
  } catch (error) {
    await Promise.all(shards.map((shard) => shard.file.close()))
    throw error
  }
}

async function readWeightMap(indexPath: string): Promise<Map<string, string>> {
  let index: unknown
  try {
    index = parseUniqueJson(await readRegularText(indexPath))
  } catch (error) {
    throw malformed(indexPath, `it is not valid JSON (${(error as Error).message})`, error)
  }
  const map = (index as { weight_map?: unknown } | null)?.weight_map
  if (typeof map !== 'object' || map === null) throw malformed(indexPath, 'it has no "weight_map" object')
  const weightMap = new Map<string, string>()
  for (const [tensor, name] of Object.entries(map)) {
    // Shards are next to the index; anything else would let a downloaded index open any file of the machine.
    if (typeof name !== 'string' || !/^[^/\\]+\.safetensors$/.test(name)) {
      throw malformed(indexPath, `it names ${JSON.stringify(name)} as a shard, not a .safetensors file next to it`)
    }
    weightMap.set(tensor, name)
  }
  return weightMap
}

/** @param index the file that names the shards, where there is one */
function openShards(shards: readonly Shard[], index?: string): SafetensorsFile {
  const owners = new Map<string, Shard>()
  for (const shard of shards) {
    for (const name of shard.header.tensors.keys()) {
      const other = owners.get(name)
      if (other) throw malformed(shard.path, `tensor ${JSON.stringify(name)} is also in ${basename(other.path)}`)
      owners.set(name, shard)
    }
  }
  const find = (name: string) => {
    const shard = owners.get(name)
    const entry = shard?.header.tensors.get(name)
    if (!shard || !entry) throw missing(name, shards[0].path, [...owners.keys()])
    return { shard, entry }
  }
  const read = async (name: string): Promise<TensorArray> => {
    const { shard, entry } = find(name)
    const bytes = new Uint8Array(entry.end - entry.begin)
    const got = await readFully(shard.file, bytes, shard.dataStart + entry.begin)
    if (got !== bytes.length) throw malformed(shard.path, `it was cut short while tensor ${name} was read`)
    return viewAs(entry.dtype, bytes.buffer)
  }
  return {
    files: [...(index === undefined ? [] : [index]), ...shards.map((shard) => shard.path)],
    names: [...owners.keys()],
    metadata: Object.assign({}, ...shards.map((shard) => shard.header.metadata)),
    has: (name) => owners.has(name),
    info: (name) => {
      const { dtype, shape } = find(name).entry
      return { dtype, shape }
    },
    read,
    readFloat32: async (name) => {
      const { dtype } = find(name).entry
      if (!['F32', 'F16', 'BF16', 'F64'].includes(dtype)) {
        throw new VideoMaeError(`Expected floating-point values in tensor ${name}, but its type is ${dtype}.`, {
          code: 'TENSOR_TYPE',
          exit: 'data',
        })
      }
      return toFloat32(dtype, await read(name))
    },
    requireIntact: async () => {
      for (const shard of shards) await requireIntact(shard)
    },
    close: async () => {
      await Promise.all(shards.map((shard) => shard.file.close()))
    },
  }
}

async function requireIntact(shard: Shard): Promise<void> {
  const { path, file, dataStart, header } = shard
  const written = header.metadata[checksumKey]
  const ofHeader = header.metadata[headerChecksumKey]
  if (ofHeader !== undefined) {
    const found = await headerChecksum(shard)
    if (found !== ofHeader) throw changed(path, 'a header', ofHeader, found)
  }
  if (written === undefined) return
  const hash = createHash('sha256')
  const piece = new Uint8Array(1 << 20)
  for (let at = dataStart; ; ) {
    const got = await readFully(file, piece, at)
    if (got === 0) break
    hash.update(piece.subarray(0, got))
    at += got
  }
  const found = hash.digest('hex')
  if (found !== written) throw changed(path, 'tensors', written, found)
}

/** SHA-256 of all bytes before the tensors, with zeros in the place of both checksums. */
async function headerChecksum({ file, dataStart, header: { metadata } }: Shard): Promise<string> {
  const bytes = Buffer.alloc(dataStart)
  await readFully(file, bytes, 0)
  for (const key of [checksumKey, headerChecksumKey]) {
    const entry = `${JSON.stringify(key)}:"`
    const at = bytes.indexOf(`${entry}${metadata[key]}"`)
    if (at >= 0 && metadata[key]?.length === noChecksum.length) bytes.write(noChecksum, at + entry.length, 'latin1')
  }
  return createHash('sha256').update(bytes).digest('hex')
}

function changed(path: string, what: string, written: string, found: string): VideoMaeError {
  return new VideoMaeError(
    `Expected ${what} in ${path} with the SHA-256 that was written with it, ${shownChecksum(written)}, but found ${found}.`,
    {
      code: 'SAFETENSORS_INVALID',
      exit: 'data',
      hint: `The file has changed since: copy it again. If a program changed it on purpose, it must remove ${checksumKey} and ${headerChecksumKey} from the metadata.`,
    },
  )
}

function missing(name: string, path: string, names: readonly string[]): VideoMaeError {
  const tail = name.split('.').slice(-2).join('.')
  const near = names.filter((candidate) => candidate.endsWith(tail)).slice(0, 3)
  return new VideoMaeError(
    `Expected tensor ${JSON.stringify(name)} in ${path}, which has ${names.length} other tensors.`,
    {
      code: 'TENSOR_MISSING',
      exit: 'data',
      hint: near.length > 0 ? `Similar names there: ${near.join(', ')}.` : undefined,
    },
  )
}

function viewAs(dtype: SafetensorsDtype, buffer: ArrayBuffer): TensorArray {
  switch (dtype) {
    case 'F64':
      return new Float64Array(buffer)
    case 'F32':
      return new Float32Array(buffer)
    case 'F16':
    case 'BF16':
    case 'U16':
      return new Uint16Array(buffer)
    case 'I64':
      return new BigInt64Array(buffer)
    case 'U64':
      return new BigUint64Array(buffer)
    case 'I32':
      return new Int32Array(buffer)
    case 'U32':
      return new Uint32Array(buffer)
    case 'I16':
      return new Int16Array(buffer)
    case 'I8':
      return new Int8Array(buffer)
    case 'U8':
    case 'BOOL':
      return new Uint8Array(buffer)
  }
}

function toFloat32(dtype: SafetensorsDtype, array: TensorArray): Float32Array {
  if (array instanceof Float32Array) return array
  if (array instanceof Float64Array) return Float32Array.from(array)
  return dtype === 'BF16' ? bfloat16ToFloat32(array as Uint16Array) : float16ToFloat32(array as Uint16Array)
}
