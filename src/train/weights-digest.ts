/** SHA-256 of weights as they are in a folder or file: by it a training manifest names the weights that it is about. */
import { createHash, type Hash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { readSafetensors } from '../format/safetensors.ts'

/** In the folder of a classifier, the weights of a head that is no linear layer of the model. Features may be there, too: they are no weights. */
export const headFile = 'head.safetensors'

/**
 * For each tensor in the order of names: its name, its shape and its float32 bytes (little-endian). Shards, metadata, the order in
 * a file and half precision of the same values change nothing; another name does. In a folder the weights of a head that are
 * next to those of the model count, too.
 *
 * @param location a folder with `model.safetensors` or its shards, or one `.safetensors` file
 * @returns 64 hexadecimal digits; null where no weights are
 * @throws VideoMaeError what `readSafetensors` throws of weights that are there
 */
export async function weightsDigest(location: string): Promise<string | null> {
  const hash = createHash('sha256')
  try {
    await addTensors(hash, location)
  } catch (error) {
    if (error instanceof VideoMaeError && error.code === 'SAFETENSORS_NOT_FOUND') return null
    throw error
  }
  const names = await readdir(location).catch((): string[] => []) // a file has nothing next to it
  if (names.includes(headFile)) {
    hash.update(`${JSON.stringify(headFile)}\n`)
    await addTensors(hash, path.join(location, headFile))
  }
  return hash.digest('hex')
}

/**
 * The files that `weightsDigest` reads. Others next to them, features for instance, are no weights.
 *
 * @throws VideoMaeError what `readSafetensors` throws
 */
export async function weightFiles(location: string): Promise<string[]> {
  const opened = await readSafetensors(location)
  await opened.close()
  const beside = await readdir(location).catch((): string[] => [])
  return [...opened.files, ...(beside.includes(headFile) ? [path.join(location, headFile)] : [])]
}

async function addTensors(hash: Hash, location: string): Promise<void> {
  const file = await readSafetensors(location)
  try {
    for (const name of [...file.names].sort()) {
      const { dtype, shape } = file.info(name)
      // Integers and booleans have no float32.
      const values = /^B?F/.test(dtype) ? await file.readFloat32(name) : await file.read(name)
      hash.update(`${JSON.stringify([name, shape])}\n`)
      hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    }
  } finally {
    await file.close()
  }
}
