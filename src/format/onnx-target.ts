/** What a file may be that an ONNX model takes the place of. */
import { lstat, open, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'

/** Fields of a ModelProto that writers of ONNX files use. */
const modelFields: ReadonlySet<number> = new Set([1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26])
const graphField = 7

/**
 * Whether a file is an ONNX model, whatever wrote it: fields of a model from its first byte to its last, the format version first or
 * later, and a graph. What is in the graph is not read.
 */
export async function isOnnxModel(file: string): Promise<boolean> {
  const handle = await open(file, 'r')
  try {
    const { size } = await handle.stat()
    const seen = new Set<number>()
    const head = Buffer.alloc(20)
    let at = 0
    while (at < size) {
      const { bytesRead } = await handle.read(head, 0, head.length, at)
      const key = varint(head.subarray(0, bytesRead))
      if (key === null || !modelFields.has(Math.floor(key.value / 8))) return false
      const value = varint(head.subarray(key.bytes, bytesRead))
      const wire = key.value % 8
      if (value === null || (wire !== 0 && wire !== 2)) return false
      at += key.bytes + value.bytes + (wire === 2 ? value.value : 0)
      seen.add(Math.floor(key.value / 8))
    }
    return at === size && seen.has(1) && seen.has(graphField)
  } finally {
    await handle.close()
  }
}

function varint(bytes: Uint8Array): { readonly value: number; readonly bytes: number } | null {
  let value = 0
  for (let i = 0; i < Math.min(10, bytes.length); i++) {
    value += (bytes[i] & 0x7f) * 2 ** (7 * i)
    if (bytes[i] < 0x80) return { value, bytes: i + 1 }
  }
  return null
}

/**
 * Refuses a path where an ONNX model would replace something else: weights, a video, a text. An earlier ONNX file and an empty file
 * are replaced.
 *
 * @param out file to write; data of large models goes into a file next to it
 * @throws VideoMaeError `OUTPUT_TAKEN`
 */
export async function requireOnnxTarget(out: string): Promise<void> {
  const target = await realpath(out).catch(() => path.resolve(out))
  const found = await stat(target).catch(() => null)
  if (found === null) {
    const beside = await lstat(`${target}.data`).catch(() => null)
    if (beside !== null && beside.size > 0) throw outputTaken(`${out}.data`, 'the data of an existing ONNX file')
    return
  }
  // What is no file cannot be replaced; the system says so.
  if (!found.isFile() || found.size === 0 || (await isOnnxModel(target))) return
  throw outputTaken(out, 'an ONNX file')
}

/** A file that a command would have replaced. @param option the one that names it */
export function outputTaken(out: string, kind: string, option = '--out'): VideoMaeError {
  return new VideoMaeError(`Expected no file at ${out}, or ${kind}, but another file is there. It was not replaced.`, {
    code: 'OUTPUT_TAKEN',
    exit: 'usage',
    hint: `Choose another name with ${option}, or move the file away.`,
  })
}
