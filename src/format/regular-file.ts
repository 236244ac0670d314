/**
 * Files that come from outside are opened here. A pipe, a device or a socket in the place of a file would keep a program waiting for ever, or
 * give bytes without end; only a regular file has a content that can be read twice.
 */
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { VideoMaeError } from '../core/errors.ts'

/** Most bytes of a file that is read whole into memory: what a JavaScript string can hold. */
export const largestTextBytes = 500_000_000

/** Most bytes of a file that is read piece by piece: 1 TiB. Larger sizes are those of sparse files and of `/proc`. */
const largestFileBytes = 2 ** 40

/** Opening must not wait for a writer, nor make a terminal the controlling one. Windows has neither flag. */
const openFlags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0)

const pieceBytes = 1 << 20

/**
 * Bytes to read at once of a file that claims to have `left` more. Small files get small buffers: 1 MiB for each would make V8 collect
 * garbage every few dozen files. At least a page, since files of /proc claim to be empty.
 */
const bytesAtOnce = (left: number): number => Math.min(pieceBytes, Math.max(left, 4096))

export interface ReadLimits {
  /** A larger file is refused. */
  readonly maxBytes?: number
  readonly signal?: AbortSignal
}

/**
 * Opens a regular file for reading. Never waits: not for the writer of a pipe either.
 *
 * @throws VideoMaeError `FILE_NOT_REGULAR`; the system error where there is no such file or it cannot be opened
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  // Opening a device can have effects of its own, so its kind is looked at first, and once more when it is open.
  requireRegular(path, await stat(path))
  const file = await open(path, openFlags)
  try {
    requireRegular(path, await file.stat())
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/** `openRegularFile` for synchronous code. @returns the descriptor, to be closed by the caller */
export function openRegularFileSync(path: string): number {
  requireRegular(path, statSync(path))
  const descriptor = openSync(path, openFlags)
  try {
    requireRegular(path, fstatSync(descriptor))
    return descriptor
  } catch (error) {
    closeSync(descriptor)
    throw error
  }
}

/**
 * The whole content of a regular file.
 *
 * @throws VideoMaeError `FILE_NOT_REGULAR`, `FILE_TOO_LARGE`; the system error where it cannot be read; the signal's reason
 */
export async function readRegularFile(path: string, limits: ReadLimits = {}): Promise<Buffer> {
  let whole = Buffer.alloc(0)
  let used = 0
  await readPieces(path, { maxBytes: largestTextBytes, ...limits }, (piece, size) => {
    if (used + piece.length > whole.length) {
      // Only files of /proc, and those that grow, hold more than they say.
      const larger = Buffer.allocUnsafe(Math.max(size, 2 * used, used + piece.length))
      whole.copy(larger, 0, 0, used)
      whole = larger
    }
    used += piece.copy(whole, used)
  })
  return whole.subarray(0, used)
}

/** `readRegularFile` as UTF-8. */
export async function readRegularText(path: string, limits: ReadLimits = {}): Promise<string> {
  return (await readRegularFile(path, limits)).toString('utf8')
}

/** `readRegularFile` for synchronous code. */
export function readRegularFileSync(path: string, maxBytes = largestTextBytes): Buffer {
  const descriptor = openRegularFileSync(path)
  try {
    const { size } = fstatSync(descriptor)
    requireSize(path, size, maxBytes)
    const pieces: Buffer[] = []
    for (let done = 0; ; ) {
      const piece = Buffer.allocUnsafe(bytesAtOnce(size - done))
      const count = readSync(descriptor, piece, 0, piece.length, done)
      if (count === 0) return Buffer.concat(pieces)
      done += count
      requireSize(path, done, maxBytes)
      pieces.push(piece.subarray(0, count))
    }
  } finally {
    closeSync(descriptor)
  }
}

/**
 * Hands over the content of a regular file, piece by piece.
 *
 * @param take a piece is valid only during the call; `size` is what the file had when it was opened
 * @returns what identifies the content that was read
 */
export async function readPieces(
  path: string,
  limits: ReadLimits,
  take: (piece: Buffer, size: number) => void,
): Promise<FileState> {
  const { maxBytes = largestFileBytes, signal } = limits
  signal?.throwIfAborted()
  const opening = openRegularFile(path)
  const file = await untilAborted(opening, signal).catch((error: unknown) => {
    if (signal?.aborted) opening.then((opened) => opened.close()).catch(() => undefined)
    throw error
  })
  try {
    const before = await file.stat({ bigint: true })
    const size = Number(before.size)
    requireSize(path, size, maxBytes)
    const piece = Buffer.allocUnsafe(bytesAtOnce(size))
    for (let done = 0; ; ) {
      const { bytesRead } = await untilAborted(file.read(piece, 0, piece.length, done), signal)
      if (bytesRead === 0) break
      done += bytesRead
      requireSize(path, done, maxBytes)
      take(piece.subarray(0, bytesRead), size)
    }
    return fileState(before)
  } finally {
    // Not awaited: a read that a dead disk never answers would keep it.
    file.close().catch(() => undefined)
  }
}

/**
 * What tells one content of a file from another without reading it: device, inode, size, and the times of the last change, in
 * nanoseconds. Writing to a file changes the last of these, and a program cannot set it back.
 */
export type FileState = string

export function fileState({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): FileState {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':')
}

function requireSize(path: string, size: number, most: number): void {
  if (size <= most) return
  throw new VideoMaeError(`Expected at most ${most} bytes in ${path}, but it has ${size} or more.`, {
    code: 'FILE_TOO_LARGE',
    exit: 'data',
    hint: 'Check that this is the right file; split it if its size is right.',
  })
}

/** @throws VideoMaeError `FILE_NOT_REGULAR` */
function requireRegular(path: string, stats: Stats): void {
  if (stats.isFile()) return
  throw new VideoMaeError(`Expected a regular file at ${path}, but it is ${kindOf(stats)}.`, {
    code: 'FILE_NOT_REGULAR',
    exit: 'data',
    hint: stats.isDirectory()
      ? 'Name a file in it.'
      : 'Name a file. Write the output of a program, as in <(...), to a file first: it is read more than once.',
  })
}

/** In words, for messages: `a named pipe`. */
export function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a folder'
  if (stats.isFIFO()) return 'a pipe'
  if (stats.isSocket()) return 'a socket'
  if (stats.isCharacterDevice() || stats.isBlockDevice()) return 'a device'
  return stats.isFile() ? 'a regular file' : 'something else'
}

/** A promise that is given up when the signal fires, whether or not what it stands for ever ends. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
