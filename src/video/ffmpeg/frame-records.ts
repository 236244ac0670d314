/** Names our mark on every frame; nothing else is printed of a frame's metadata. */
const mark = 'videomae'

/** Time stamps are counted in these: fine enough that no two of a real file become one. */
export const ticksPerSecond = 1_000_000_000

/** Descriptor of the program on which the records come: neither its pictures (1) nor its messages (2). */
export const recordDescriptor = 4

/** Filters that give every frame its time stamp in `ticksPerSecond` and nothing else of it. */
export const stampFilters: readonly string[] = [`settb=1/${ticksPerSecond}`]

/**
 * Filters that write one record for every frame that passes, to `recordDescriptor`. Whatever metadata the file gave the frame is deleted first, so the
 * records hold nothing that a file or its name could choose but the time stamps.
 */
export const recordFilters: readonly string[] = [
  'metadata=mode=delete',
  `metadata=mode=add:key=${mark}:value=1`,
  `metadata=mode=print:key=${mark}:file=pipe\\\\:${recordDescriptor}`,
]

const record = /^frame:\d+ +pts:(-?\d+|NOPTS) +pts_time:\S+ *$/

/** Reads records as they come. */
export class FrameRecords {
  /** Time stamps in units of 1 / `ticksPerSecond`, in the order the frames came; NaN where a frame has none. */
  readonly stamps: number[] = []
  /** Lines that are no record: the program is another one than we know. */
  strangeLines = 0
  private rest = ''

  take(chunk: Buffer): void {
    const lines = (this.rest + chunk.toString('latin1')).split('\n')
    this.rest = lines.pop() ?? ''
    for (const line of lines) {
      const found = record.exec(line)
      if (found !== null) this.stamps.push(found[1] === 'NOPTS' ? Number.NaN : Number(found[1]))
      else if (line !== `${mark}=1`) this.strangeLines++
    }
  }
}

/**
 * The size of the frames, from the beginning of what the `framecrc` format writes: `#dimensions 0: 128x96`. Undefined where there is none.
 */
export function sizeFromFrameList(list: string): { width: number; height: number } | undefined {
  const size = /^#dimensions 0: (\d+)x(\d+)$/m.exec(list)
  return size === null ? undefined : { width: Number(size[1]), height: Number(size[2]) }
}
