import { readFile, writeFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { VideoMaeError } from '../../src/core/errors.ts'
import { checksumKey } from '../../src/format/checksum.ts'
import { readModel } from '../../src/format/onnx.ts'

/** Positions from the first to the last byte of a file, `count` of them. */
export const spread = (bytes: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.floor((i * (bytes - 1)) / (count - 1)))

/**
 * Changes one bit of a file after another, and puts the file back.
 *
 * @param read what a program makes of the file
 * @returns positions of changes that neither a coded error refuses nor leave the same result
 */
export async function unnoticed(file: string, positions: Iterable<number>, read: () => Promise<unknown>) {
  const [before, original] = [await read(), await readFile(file)]
  const found: number[] = []
  for (const at of positions) {
    const bytes = Buffer.from(original)
    bytes[at] ^= 1 << (at % 8)
    await writeFile(file, bytes)
    const after = await read().catch((error: unknown) => (error instanceof VideoMaeError ? before : error))
    if (!isDeepStrictEqual(after, before)) found.push(at)
  }
  await writeFile(file, original)
  return found
}

/** Changes of an exported model, and of the entries of its metadata, that reading it does not notice. */
export async function unnoticedInModel(file: string): Promise<number[]> {
  const bytes = await readFile(file)
  const metadata = spread(bytes.length - bytes.indexOf('videomae.version'), 30).map((at) => bytes.length - 1 - at)
  const checksum = (await readModel(file)).metadata?.[checksumKey]
  return unnoticed(file, [...spread(bytes.length, 30), ...metadata], async () => {
    const model = await readModel(file)
    // A change of the key itself takes the checksum away, and nothing else.
    const others = Object.entries(model.metadata ?? {}).filter(([, value]) => value !== checksum)
    return { ...model, metadata: others }
  })
}
