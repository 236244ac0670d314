import { closeSync, fstatSync, readSync, statSync } from 'node:fs'
import { type FileState, fileState, kindOf, openRegularFileSync } from '../format/regular-file.ts'
import { isMachineError } from './machine-errors.ts'
import { videoError } from './video-errors.ts'

/**
 * One video file, opened once. Decoders get the open file and never its name: so nothing that a name says can change what is decoded, a link that is
 * turned to another file meanwhile is noticed, and the bytes that were decoded are those of `state`.
 */
export class VideoFile {
  readonly path: string
  readonly bytes: number
  readonly state: FileState
  private readonly descriptor: number

  /** @throws VideoMaeError `VIDEO_NOT_FOUND`, `VIDEO_EMPTY`, `VIDEO_UNREADABLE`; the system error where the machine is at fault */
  constructor(path: string) {
    this.path = path
    this.descriptor = this.open()
    const stats = fstatSync(this.descriptor, { bigint: true })
    this.bytes = Number(stats.size)
    this.state = fileState(stats)
    if (this.bytes > 0) return
    this.close()
    throw videoError('VIDEO_EMPTY', path, 'the file has 0 bytes')
  }

  /** The first bytes, fewer where the file is shorter. */
  head(length: number): Buffer {
    const wanted = Math.min(length, this.bytes)
    // FFmpeg looks at some bytes behind the end of what it is given, which must be zero.
    const bytes = Buffer.alloc(wanted + 64)
    return bytes.subarray(0, readSync(this.descriptor, bytes, 0, wanted, 0))
  }

  /**
   * A descriptor of its own, at the start of the file, to be closed by the caller.
   *
   * @throws VideoMaeError `VIDEO_CHANGED` where the path leads to another file by now
   */
  reopen(): number {
    const descriptor = this.open()
    if (this.stateOf(descriptor) === this.state) return descriptor
    closeSync(descriptor)
    throw this.changed()
  }

  /** @throws VideoMaeError `VIDEO_CHANGED` where the file was written to since it was opened */
  requireUnchanged(): void {
    if (this.stateOf(this.descriptor) !== this.state) throw this.changed()
  }

  /** Closes the file after an error in reading it. @returns what to throw: that the file changed meanwhile, if it did */
  closeAfter(error: unknown): unknown {
    try {
      this.requireUnchanged()
      return error
    } catch (changed) {
      return changed
    } finally {
      this.close()
    }
  }

  close(): void {
    closeSync(this.descriptor)
  }

  private open(): number {
    try {
      const stats = statSync(this.path, { throwIfNoEntry: false })
      if (stats === undefined) throw videoError('VIDEO_NOT_FOUND', this.path, 'no such file')
      if (!stats.isFile()) throw videoError('VIDEO_NOT_FOUND', this.path, `expected a file, found ${kindOf(stats)}`)
      return openRegularFileSync(this.path)
    } catch (error) {
      if (isMachineError(error) || (error as { code?: string }).code === 'VIDEO_NOT_FOUND') throw error
      throw videoError('VIDEO_UNREADABLE', this.path, `cannot be opened (${(error as Error).message})`, error)
    }
  }

  private stateOf(descriptor: number): FileState {
    return fileState(fstatSync(descriptor, { bigint: true }))
  }

  private changed(): Error {
    return videoError('VIDEO_CHANGED', this.path, 'the file changed while it was read')
  }
}
