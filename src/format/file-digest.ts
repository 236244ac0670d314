import { createHash } from 'node:crypto'
import { type FileState, type ReadLimits, readPieces } from './regular-file.ts'

export interface DigestedFile {
  /** SHA-256, 64 hexadecimal digits. */
  readonly digest: string
  /** State of the file that was read: equal states have equal contents. */
  readonly state: FileState
}

/**
 * SHA-256 of a regular file, 64 hexadecimal digits.
 *
 * @throws VideoMaeError `FILE_NOT_REGULAR`, `FILE_TOO_LARGE`; the system error where it cannot be read; the signal's reason
 */
export async function fileDigest(path: string, limits: ReadLimits = {}): Promise<string> {
  return (await digestFile(path, limits)).digest
}

/** `fileDigest` with the state of the file that was read. */
export async function digestFile(path: string, limits: ReadLimits = {}): Promise<DigestedFile> {
  const hash = createHash('sha256')
  const state = await readPieces(path, limits, (piece) => hash.update(piece))
  return { digest: hash.digest('hex'), state }
}
