import { createHash } from 'node:crypto'
import type { ModelState } from './parameters.ts'

/**
 * SHA-256 of weights: for each tensor in the order of names, its name, its number of values and its float32 bytes
 * (little-endian). Independent of file format and of the order in a file, so it names an encoder wherever it is stored.
 *
 * @returns 64 hexadecimal digits
 */
export function stateDigest(state: ModelState): string {
  const hash = createHash('sha256')
  for (const name of [...state.keys()].sort()) {
    const values = state.get(name)!
    hash.update(`${name}\n${values.length}\n`)
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  }
  return hash.digest('hex')
}
