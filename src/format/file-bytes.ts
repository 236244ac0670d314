import type { FileHandle } from 'node:fs/promises'

/** One system call moves at most 2^31 - 1 bytes; larger tensors go in pieces of this size. */
const largestPiece = 1 << 30

/**
 * Fill `target` from byte `position` of an open file.
 * @returns bytes read; fewer than asked for only at the end of the file
 */
export async function readFully(file: FileHandle, target: Uint8Array, position: number): Promise<number> {
  let done = 0
  while (done < target.length) {
    const piece = Math.min(largestPiece, target.length - done)
    const { bytesRead } = await file.read(target, done, piece, position + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return done
}

/** Write all of `bytes` at byte `position`, or at the current offset when that is null. */
export async function writeFully(file: FileHandle, bytes: Uint8Array, position: number | null = null): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const piece = Math.min(largestPiece, bytes.length - done)
    const { bytesWritten } = await file.write(bytes, done, piece, position === null ? null : position + done)
    done += bytesWritten
  }
}

/** Bytes that wait to be written together, and what counts as small next to them. */
const [gatheredBytes, smallBytes] = [1 << 18, 1 << 15]

/**
 * Writes at the current offset of a file, small pieces together: one system call through a thread of its own for each small tensor
 * takes more time than the writing. Call `flush` at the end.
 */
export class GatheringWriter {
  private readonly file: FileHandle
  private waiting: Uint8Array | undefined
  private used = 0

  constructor(file: FileHandle) {
    this.file = file
  }

  /** @param bytes may be reused by the caller once the promise is fulfilled */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.used + bytes.length > gatheredBytes) await this.flush()
    if (bytes.length >= smallBytes) {
      await this.flush()
      await writeFully(this.file, bytes)
      return
    }
    this.waiting ??= new Uint8Array(gatheredBytes)
    this.waiting.set(bytes, this.used)
    this.used += bytes.length
  }

  async flush(): Promise<void> {
    if (this.waiting !== undefined && this.used > 0) await writeFully(this.file, this.waiting.subarray(0, this.used))
    this.used = 0
  }
}

/** The bytes of any typed array, without copying. */
export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

/** Product of a shape, 1 for a scalar. */
export function valueCount(shape: readonly number[]): number {
  let count = 1
  for (const size of shape) count *= size
  return count
}
