import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { checksumKey, noChecksum, shownChecksum } from './checksum.ts'
import { fileDigest } from './file-digest.ts'
import type { OnnxModel } from './onnx-types.ts'

/** Key of the metadata with the SHA-256 of the file with the weights, where they are outside. */
export const dataChecksumKey = 'videomae.data_sha256'

/** The metadata in the order of the file: the checksum comes last, so that its digits are the end of the file. */
export function orderedMetadata({ metadata = {} }: OnnxModel): Readonly<Record<string, string>> {
  if (metadata[checksumKey] === undefined) return metadata
  const { [checksumKey]: _, ...others } = metadata
  return { ...others, [checksumKey]: noChecksum }
}

/**
 * Puts the checksum into a model that was written with `orderedMetadata`; without the key nothing is changed.
 *
 * @param pieces of the file, in order; the end of the last one is written
 */
export function putChecksum({ metadata }: OnnxModel, pieces: readonly Uint8Array[]): void {
  if (metadata?.[checksumKey] === undefined) return
  const hash = createHash('sha256')
  for (const piece of pieces) hash.update(piece)
  const last = pieces[pieces.length - 1]
  new TextEncoder().encodeInto(hash.digest('hex'), last.subarray(last.length - noChecksum.length))
}

/**
 * Compares a model, and the file with its weights, with the checksums in its metadata. A model of another program has none.
 *
 * @param path for messages, and to find the file with the weights
 * @param bytes of the model's file
 * @param data names of the files with its weights, next to it
 * @throws VideoMaeError `ONNX_INVALID`
 */
export async function requireIntactModel(
  path: string,
  bytes: Uint8Array,
  metadata: Readonly<Record<string, string>>,
  data: Iterable<string>,
): Promise<void> {
  const expected = metadata[checksumKey]
  if (expected === undefined) return
  const found = checksumOf(bytes, expected)
  if (found !== expected) throw changed(path, expected, found)
  const expectedData = metadata[dataChecksumKey]
  if (expectedData === undefined) return
  for (const name of data) {
    const file = join(dirname(path), name)
    const foundData = await fileDigest(file)
    if (foundData !== expectedData) throw changed(file, expectedData, foundData)
  }
}

/** SHA-256 of the file with zeros in the place of the checksum's digits. */
function checksumOf(bytes: Uint8Array, checksum: string): string {
  const hash = createHash('sha256')
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  let from = 0
  if (checksum.length === noChecksum.length)
    for (let at = all.indexOf(checksum); at >= 0; at = all.indexOf(checksum, from)) {
      hash.update(all.subarray(from, at)).update(noChecksum)
      from = at + checksum.length
    }
  return hash.update(all.subarray(from)).digest('hex')
}

function changed(file: string, expected: string, found: string): VideoMaeError {
  return new VideoMaeError(
    `Expected ${file} with the SHA-256 with which it was written, ${shownChecksum(expected)}, but it has ${found}.`,
    {
      code: 'ONNX_INVALID',
      exit: 'data',
      hint: `The file has changed since: copy it again, or export again. If a program changed it on purpose, remove ${checksumKey} from the metadata (metadata_props) of the model.`,
    },
  )
}
