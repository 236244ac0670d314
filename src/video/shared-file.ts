import { randomBytes, randomFillSync } from 'node:crypto'
import { closeSync, openSync, read, rmSync, statfsSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { VideoMaeError } from '../core/errors.ts'
import { machineError } from './machine-errors.ts'

/**
 * A nameless file through which one decoding process hands over pixels: in memory (/dev/shm) where there is room, else in the folder for temporary
 * files. It is unlinked as soon as it is open, before its room is taken, so nothing is left behind however the processes end. The decoding process
 * inherits the descriptor.
 */
export class SharedFile {
  readonly descriptor: number
  /** Windows unlinks no open file: there it has a name until it is closed. */
  private readonly name: string | undefined
  private bytes: number

  /**
   * @param folders where it may be, the best first
   * @throws VideoMaeError `DECODER_RESOURCES` when none of the folders can take that many bytes
   */
  constructor(bytes: number, folders: readonly string[] = ['/dev/shm', tmpdir()]) {
    this.bytes = bytes
    let refusal: VideoMaeError | undefined
    for (const [i, folder] of folders.entries()) {
      if (i < folders.length - 1 && !hasRoom(folder, bytes)) continue
      const name = path.join(folder, `videomae-${process.pid}-${randomBytes(6).toString('hex')}`)
      try {
        this.descriptor = openReserved(name, bytes)
        this.name = nameless ? undefined : name
        return
      } catch (error) {
        refusal = machineError(`Expected ${Math.ceil(bytes / 1e6)} MB for decoded clips in ${folder}`, error)
      }
    }
    throw refusal
  }

  /** Makes it at least that long. @throws the system's error where there is no room */
  reserve(bytes: number): void {
    if (bytes <= this.bytes) return
    fill(this.descriptor, this.bytes, bytes)
    this.bytes = bytes
  }

  /** Reads `target.byteLength` bytes at `offset`, off the main thread. */
  readInto(target: Uint8Array, offset: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (done: number): void => {
        read(this.descriptor, target, done, target.byteLength - done, offset + done, (error, count) => {
          if (error !== null) reject(error)
          else if (count === 0) reject(new Error(`The shared file is ${target.byteLength - done} bytes too short.`))
          else if (done + count < target.byteLength) step(done + count)
          else resolve()
        })
      }
      step(0)
    })
  }

  close(): void {
    closeSync(this.descriptor)
    if (this.name !== undefined) unlinkSync(this.name)
  }
}

const nameless = process.platform !== 'win32'

/** Containers often have a /dev/shm of 64 MB, which other programs need too: it is used only while twice the needed room is free. */
function hasRoom(folder: string, bytes: number): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize > 2 * bytes
  } catch {
    return false // No such folder: macOS, Windows.
  }
}

/** Noise: file systems that compress (ZFS, btrfs) give zeros no room. */
let filling: Uint8Array | undefined

/**
 * A new file with all of its room taken, by writing it: what is merely free now is also counted on by the other processes, and would be missing
 * only when the pixels come. Where a file system writes elsewhere what replaces old bytes it may be missing all the same; the decoding process says so.
 */
function openReserved(name: string, bytes: number): number {
  const descriptor = openSync(name, 'wx+', 0o600)
  try {
    if (nameless) unlinkSync(name)
    fill(descriptor, 0, bytes)
    return descriptor
  } catch (error) {
    closeSync(descriptor)
    rmSync(name, { force: true })
    throw error
  }
}

/** Writes noise from one byte of a file to another. */
function fill(descriptor: number, from: number, to: number): void {
  filling ??= randomFillSync(new Uint8Array(1 << 20))
  for (let done = from; done < to; ) {
    done += writeSync(descriptor, filling, 0, Math.min(filling.byteLength, to - done), done)
  }
}
