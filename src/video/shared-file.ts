import { randomBytes } from 'node:crypto'
import { accessSync, closeSync, constants, openSync, read, statfsSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/**
 * A nameless file through which one decoding process hands over pixels: in memory (/dev/shm) where there is room, else in the folder for temporary
 * files. It is unlinked as soon as it is open, so nothing is left behind however the processes end.
 */
export class SharedFile {
  readonly descriptor: number
  private readonly name: string
  private linked = true

  constructor(bytes: number) {
    this.name = path.join(chooseFolder(bytes), `videomae-${process.pid}-${randomBytes(6).toString('hex')}`)
    this.descriptor = openSync(this.name, 'wx+', 0o600)
    if (process.platform !== 'win32') this.unlink()
  }

  /** Reads `target.byteLength` bytes at `offset`, off the main thread. */
  readInto(target: Uint8Array, offset: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (done: number): void => {
        read(this.descriptor, target, done, target.byteLength - done, offset + done, (error, count) => {
          if (error !== null) reject(error)
          else if (count === 0) reject(new Error(`The shared file ended ${target.byteLength - done} bytes too early.`))
          else if (done + count < target.byteLength) step(done + count)
          else resolve()
        })
      }
      step(0)
    })
  }

  close(): void {
    closeSync(this.descriptor)
    if (this.linked) this.unlink()
  }

  private unlink(): void {
    unlinkSync(this.name)
    this.linked = false
  }
}

/** Containers often have a /dev/shm of 64 MB: it is used only while twice the needed room is free. */
function chooseFolder(bytes: number): string {
  const memory = '/dev/shm'
  try {
    accessSync(memory, constants.W_OK)
    const { bavail, bsize } = statfsSync(memory)
    if (bavail * bsize > 2 * bytes) return memory
  } catch {
    // No such folder (macOS, Windows) or not ours to write: the next line is the answer.
  }
  return tmpdir()
}
