import { VideoMaeError } from '../core/errors.ts'
import { RandomStream } from '../core/random.ts'
import type { VideoEntry } from './types.ts'

/** A file that failed twice, and where in the run that was: from this position on its samples are left out. */
export interface BadFile {
  /** Path of the file. */
  readonly path: string
  /** Name of the video. */
  readonly id: string
  /** One line that names the file. */
  readonly reason: string
  /** Code of the error, as in docs/errors.md. */
  readonly code: string
  /** Pass over the data in which it failed, from 0. */
  readonly epoch: number
  /** Position in the order of that epoch. */
  readonly position: number
}

/** Where a step begins: the number of usable samples of the epoch before it. */
export interface StepStart {
  readonly epoch: number
  readonly offset: number
}

/**
 * Which sample comes when.
 *
 * Epoch e visits all entries in the permutation keyed (seed, e). A file noted bad at position (e', p') is left out at every later position, and the samples after it
 * move up: none is lost, none comes twice. A step takes the next `perStep` usable samples; what is left at the end of an epoch and does not fill a step is dropped.
 * So the sequence is a function of the entries, the seed and the bad files alone.
 */
export class EpochOrder {
  private readonly entries: readonly VideoEntry[]
  private readonly seed: number
  private readonly perStep: number
  private readonly bad = new Map<string, BadFile>()
  private readonly permutations = new Map<number, Uint32Array>()
  private readonly usableCache = new Map<number, Uint32Array>()

  constructor(entries: readonly VideoEntry[], seed: number, perStep: number, known: readonly BadFile[]) {
    this.entries = entries
    this.seed = seed
    this.perStep = perStep
    for (const file of known) this.note(file)
  }

  /** Bad files in the order they were noted. */
  badFiles(): BadFile[] {
    return [...this.bad.values()]
  }

  note(file: BadFile): void {
    if (this.bad.has(badKey(file))) return
    this.bad.set(badKey(file), file)
    this.usableCache.clear()
  }

  /** Entry index at a position. */
  entryAt(epoch: number, position: number): number {
    return this.permutation(epoch)[position]
  }

  /** Positions of an epoch that are not left out, ascending. */
  usable(epoch: number): Uint32Array {
    const cached = this.usableCache.get(epoch)
    if (cached !== undefined) return cached
    const order = this.permutation(epoch)
    const usable: number[] = []
    for (let position = 0; position < order.length; position++) {
      if (!this.isLeftOut(this.entries[order[position]], epoch, position)) usable.push(position)
    }
    const result = Uint32Array.from(usable)
    this.usableCache.set(epoch, result)
    for (const old of this.usableCache.keys()) if (old < epoch - 1) this.usableCache.delete(old)
    return result
  }

  /** Whole steps in an epoch, as far as is known. */
  stepsIn(epoch: number): number {
    return Math.floor(this.countUsable(epoch) / this.perStep)
  }

  /** @throws VideoMaeError `NOT_ENOUGH_VIDEOS` when no epoch can fill a step any more */
  startOfStep(step: number): StepStart {
    let before = 0
    for (let epoch = 0; ; epoch++) {
      const steps = this.stepsIn(epoch)
      if (step < before + steps) return { epoch, offset: (step - before) * this.perStep }
      if (steps === 0) this.requireEnough(epoch)
      before += steps
    }
  }

  /** @throws VideoMaeError `NOT_ENOUGH_VIDEOS` when the files that are usable from the end of `epoch` on do not fill one step */
  requireEnough(epoch: number): void {
    const count = this.countUsable(epoch + 1)
    if (count >= this.perStep) return
    const bad = this.bad.size === 0 ? '' : ` (${this.bad.size} unreadable)`
    throw new VideoMaeError(
      `Expected at least ${this.perStep} usable ${this.perStep === 1 ? 'video' : 'videos'} for one step but found ${count} of ${this.entries.length}${bad}.`,
      { code: 'NOT_ENOUGH_VIDEOS', exit: 'data', hint: 'Add videos, or lower the batch size or raise samplesPerClip.' },
    )
  }

  private countUsable(epoch: number): number {
    for (const file of this.bad.values()) if (file.epoch === epoch) return this.usable(epoch).length
    let count = this.entries.length
    if (this.bad.size > 0) {
      for (const entry of this.entries) if (this.isLeftOut(entry, epoch, 0)) count--
    }
    return count
  }

  private isLeftOut(entry: VideoEntry, epoch: number, position: number): boolean {
    if (this.bad.size === 0) return false
    const file = this.bad.get(entry.path) ?? this.bad.get(entry.id)
    return file !== undefined && (file.epoch < epoch || (file.epoch === epoch && file.position <= position))
  }

  private permutation(epoch: number): Uint32Array {
    let order = this.permutations.get(epoch)
    if (order === undefined) {
      order = new RandomStream(this.seed, epoch, 'order').permutation(this.entries.length)
      this.permutations.set(epoch, order)
      for (const old of this.permutations.keys()) if (old < epoch - 1) this.permutations.delete(old)
    }
    return order
  }
}

/** A part that is outside its video is the entry's fault; everything else is the file's and counts for all its parts. */
function badKey(file: Pick<BadFile, 'path' | 'id' | 'code'>): string {
  return file.code === 'VIDEO_PART_EMPTY' ? file.id : file.path
}
