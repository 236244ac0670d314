import { closeSync, fstatSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { followLink, replaceFiles } from './atomic.ts'
import { checksumKey } from './checksum.ts'
import { bytesOf, writeFully } from './file-bytes.ts'
import { fileDigest } from './file-digest.ts'
import { dataChecksumKey, putChecksum, requireIntactModel } from './onnx-checksum.ts'
import { decodeModel } from './onnx-decode.ts'
import { type ExternalPlaces, modelWriter } from './onnx-encode.ts'
import { type ExternalData, largestMessage, type OnnxInitializer, type OnnxModel } from './onnx-types.ts'
import { openRegularFileSync, readRegularFile } from './regular-file.ts'

export interface WriteModelOptions {
  /** Weights inside the model, in `<file>.data` next to it, or next to it only where the model would reach 2 GiB. */
  readonly externalData?: 'auto' | 'always' | 'never'
}

export interface WriteCheckedModelOptions extends WriteModelOptions {
  /**
   * Writes another file next to those of the model, which takes its place together with them.
   *
   * @param files paths written, the model first
   * @returns its path
   */
  readonly describe?: (files: readonly string[]) => Promise<string>
}

/** Initializers below this many bytes stay inside: shapes and axes are needed while the graph is optimized. */
const smallestOutside = 1024
/** Offsets are multiples of a page, so that a runtime can map the file into memory. */
const page = 4096

/**
 * Write a model to a file and flush it to the disk.
 *
 * @returns paths written: the model, and the data file where there is one (its name is fixed when it is written, so both
 *   have to be moved together and keep their names)
 * @throws VideoMaeError as `encodeModel`
 */
export async function writeModel(path: string, model: OnnxModel, options: WriteModelOptions = {}): Promise<string[]> {
  const mode = options.externalData ?? 'auto'
  const weights = model.graph.initializers.reduce((sum, { data }) => sum + data.byteLength, 0)
  // Nodes and names need far less than a sixteenth of the message.
  if (mode === 'never' || (mode === 'auto' && weights < largestMessage * (15 / 16))) {
    await writePieces(path, withDataChecksum(model, null))
    return [path]
  }
  const location = `${basename(path)}.data`
  const external = new Map<OnnxInitializer, ExternalData>()
  let end = 0
  for (const initializer of model.graph.initializers) {
    const length = initializer.data.byteLength
    if (length < smallestOutside) continue
    const offset = Math.ceil(end / page) * page
    external.set(initializer, { location, offset, length })
    end = offset + length
  }
  const dataPath = join(dirname(path), location)
  const file = await open(dataPath, 'w')
  try {
    for (const [{ data }, { offset }] of external) await writeFully(file, bytesOf(data), offset)
    await file.sync()
  } finally {
    await file.close()
  }
  const digest = model.metadata?.[checksumKey] === undefined ? null : await fileDigest(dataPath)
  await writePieces(path, withDataChecksum(model, digest), (initializer) => external.get(initializer))
  return [path, dataPath]
}

/** @param digest SHA-256 of the file with the weights; null where there is none, or no checksum */
function withDataChecksum(model: OnnxModel, digest: string | null): OnnxModel {
  if (model.metadata === undefined) return model
  const { [dataChecksumKey]: _, ...metadata } = model.metadata
  return { ...model, metadata: digest === null ? metadata : { ...metadata, [dataChecksumKey]: digest } }
}

/**
 * `writeModel` for a model that is to be tried first: until `check` has passed, what was at `path` stays there.
 *
 * Where `path` is a symbolic link, the file that it names is written, and the data next to that, under its name: two links
 * in turn to several models would else share one data file.
 *
 * @param check is given the written file, which is in a temporary directory under its final name; what it throws, this
 *   function throws, and nothing is left of the model
 * @returns paths written, and what `check` found
 */
export async function writeCheckedModel<T>(
  path: string,
  model: OnnxModel,
  check: (file: string) => Promise<T>,
  options: WriteCheckedModelOptions = {},
): Promise<{ readonly files: readonly string[]; readonly checked: T }> {
  const passed: T[] = []
  const target = await followLink(path)
  const files = await replaceFiles(target, async (temporary) => {
    const written = await writeModel(join(temporary, basename(target)), model, options)
    passed.push(await check(written[0]))
    return options.describe === undefined ? written : [...written, await options.describe(written)]
  })
  return { files, checked: passed[0] }
}

async function writePieces(path: string, model: OnnxModel, external?: ExternalPlaces): Promise<void> {
  const pieces = modelWriter(model, external).pieces()
  putChecksum(model, pieces)
  const file = await open(path, 'w')
  try {
    for (const piece of pieces) await writeFully(file, piece)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Protocol buffers hold at most 2 GiB. */
const largestModelBytes = 2 ** 31

/**
 * Read a model file and the data next to it.
 * @throws VideoMaeError as `decodeModel`; `ONNX_INVALID` when the data file is missing, too short or in another folder, or a file is
 *   not what its checksum says
 */
export async function readModel(path: string): Promise<OnnxModel> {
  // Bytes taken from each data file so far. Tensors may share data, but not so often that a small file fills the memory.
  const taken = new Map<string, number>()
  const bytes = await readRegularFile(path, { maxBytes: largestModelBytes })
  let model: OnnxModel
  try {
    model = decodeModel(bytes, (initializer, external) => readBeside(path, initializer, external, taken))
  } catch (error) {
    if (!(error instanceof VideoMaeError) || error.code !== 'PROTOBUF_INVALID') throw error
    const { code, exit, cause } = error
    const hint = error.hint ?? 'The file is damaged, cut short or in another format: export it again.'
    throw new VideoMaeError(`${path}: ${error.message}`, { code, exit, hint, cause })
  }
  await requireIntactModel(path, bytes, model.metadata ?? {}, taken.keys())
  return model
}

/** How often the bytes of a data file may be used by tensors, on average. */
const mostUses = 4

function readBeside(
  path: string,
  initializer: string,
  { location, offset, length }: ExternalData,
  taken: Map<string, number>,
): Uint8Array {
  const fail = (problem: string, cause?: unknown) =>
    new VideoMaeError(`Expected the data of ${initializer} next to ${path}, but ${problem}.`, {
      code: 'ONNX_INVALID',
      exit: 'data',
      cause,
    })
  // A model comes from strangers: it must not name any other file of the machine.
  if (location !== basename(location) || location.includes('\\') || location === '..') {
    throw fail(`it names ${JSON.stringify(location)}, which is in another folder`)
  }
  let file: number
  try {
    file = openRegularFileSync(join(dirname(path), location))
  } catch (error) {
    throw fail(`${location} cannot be opened`, error)
  }
  try {
    const { size } = fstatSync(file)
    if (offset < 0 || length < 0 || offset + length > size) throw fail(`${location} has only ${size} bytes`)
    const total = (taken.get(location) ?? 0) + length
    if (total > mostUses * size) throw fail(`tensors use more than ${mostUses} times the size of ${location}`)
    taken.set(location, total)
    const bytes = new Uint8Array(length)
    for (let done = 0; done < length; ) {
      const got = readSync(file, bytes, done, Math.min(length - done, 2 ** 30), offset + done)
      if (got === 0) throw fail(`${location} ended early`)
      done += got
    }
    return bytes
  } finally {
    closeSync(file)
  }
}
