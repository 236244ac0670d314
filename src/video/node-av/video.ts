import { AV_NOPTS_VALUE, AV_OPT_TYPE_INT } from 'node-av/constants'
import { type CodecContext, Frame } from 'node-av/lib'
import type { DecodeStats, EncodePlan, FrameTimes, Geometry, OpenVideo, Size, VideoInfo } from '../types.ts'
import { videoError } from '../video-errors.ts'
import { VideoFile } from '../video-file.ts'
import { stampsOf, VideoWriter } from './encoder.ts'
import { type Input, openCodec, openInput } from './input.ts'
import { PacketSource } from './packets.ts'
import { PictureMaker } from './picture.ts'
import { planByTime, type Run } from './plan.ts'
import { preparedPixels, preparedSize } from './prepared-picture.ts'

/**
 * Codecs whose decoder leaves out pictures that no other picture refers to when told to (`skip_frame=noref`), without changing any
 * picture that is shown: what is dropped is not needed by the rest. Interlaced streams are left alone (a frame may mix fields).
 */
const skippable = new Set(['h264', 'hevc', 'mpeg4', 'mpeg2video', 'mpeg1video', 'vp8'])

/** How frames are named when decoding: by time stamp, or by counting what comes out of the decoder. */
type Naming =
  | { readonly kind: 'stamp'; readonly stamps: Float64Array }
  | { readonly kind: 'ordinal'; readonly count: number }

export class NodeAvVideo implements OpenVideo {
  readonly info: VideoInfo
  readonly file: VideoFile
  private readonly input: Input
  private readonly packets: PacketSource
  private readonly codec: CodecContext
  private readonly frame = new Frame()
  private readonly canSkip: boolean
  private naming: Naming
  private skipping = false

  /** @param keepBytes files up to this size are held in memory while open; larger ones are read by seeking */
  constructor(path: string, maxPixels: number, keepBytes?: number) {
    this.file = new VideoFile(path)
    try {
      this.input = openInput(this.file, maxPixels)
    } catch (error) {
      throw this.file.closeAfter(error)
    }
    this.info = this.input.info
    try {
      this.codec = openCodec(this.input, maxPixels)
    } catch (error) {
      this.input.format.closeInputSync()
      throw this.file.closeAfter(error)
    }
    this.packets = new PacketSource(this.file, this.input, maxPixels, keepBytes)
    this.frame.alloc()
    const { table } = this.packets
    const fieldOrder = this.codec.getOption('field_order', AV_OPT_TYPE_INT) ?? 0
    const progressive = fieldOrder <= 1 // 0 not stated, 1 progressive, more: fields
    this.canSkip = table.stamps === 'own' && progressive && skippable.has(this.info.codec)
    this.naming =
      table.stamps === 'own'
        ? { kind: 'stamp', stamps: table.pts.filter((_, i) => table.hidden[i] === 0).sort() }
        : { kind: 'ordinal', count: table.shown }
  }

  frameTimes(): Promise<FrameTimes> {
    if (this.naming.kind === 'stamp') {
      return Promise.resolve({ times: this.secondsFrom(this.naming.stamps), source: 'container' })
    }
    if (this.packets.table.stamps === 'shared') return this.decodedFrameTimes()
    return Promise.resolve({ times: this.evenTimes(this.naming.count), source: 'container' })
  }

  decodedFrameTimes(): Promise<FrameTimes> {
    const stamps: number[] = []
    let known = true
    this.run({ first: 0, last: this.packets.length - 1 }, undefined, () => {
      const stamp = this.stampOf(this.frame)
      if (stamp === undefined || (stamps.length > 0 && stamp <= stamps[stamps.length - 1])) known = false
      stamps.push(stamp ?? Number.NaN)
      return true
    })
    this.naming = { kind: 'ordinal', count: stamps.length }
    const times = known ? this.secondsFrom(Float64Array.from(stamps)) : this.evenTimes(stamps.length)
    return Promise.resolve({ times, source: 'decoded' })
  }

  decode(
    frames: readonly number[],
    geometries: readonly Geometry[],
    output: Size,
    out: Uint8Array,
  ): Promise<DecodeStats> {
    const slots = new Map<number, number[]>()
    for (const [slot, frame] of frames.entries()) {
      const same = slots.get(frame)
      if (same === undefined) slots.set(frame, [slot])
      else same.push(slot)
    }
    const wanted = [...slots.keys()].sort((a, b) => a - b)
    const makers = geometries.map((g) => new PictureMaker(g, output, this.input.coded, this.input.orientation))
    const bytes = output.width * output.height * 3
    const keep = (frame: number): void => {
      const [first, ...repeats] = slots.get(frame)!
      for (const [g, maker] of makers.entries()) {
        const clip = g * frames.length * bytes
        const at = clip + first * bytes
        maker.write(this.frame, out, at)
        for (const slot of repeats) out.copyWithin(clip + slot * bytes, at, at + bytes)
      }
    }
    try {
      return Promise.resolve({ decoded: this.decodeFrames(wanted, keep), used: wanted.length })
    } finally {
      for (const maker of makers) maker.free()
    }
  }

  encode({ file, settings, frames, seconds, fps }: EncodePlan): Promise<Size> {
    const output = preparedSize(this.info, settings.size)
    const crop = { x: 0, y: 0, width: this.info.width, height: this.info.height }
    const { coded, orientation, stream } = this.input
    const stamps = stampsOf(seconds, fps, stream.timeBase)
    if (stamps === null)
      throw videoError('VIDEO_UNREADABLE', this.info.path, 'shows a frame longer than an MP4 file can represent')
    const maker = new PictureMaker({ crop, scale: output, flip: false }, output, coded, orientation, preparedPixels)
    let writer: VideoWriter | undefined
    let next = 0
    try {
      this.decodeFrames([...new Set(frames)], (frame) => {
        const picture = maker.make(this.frame)
        writer ??= new VideoWriter(file, output, stamps, settings, picture)
        for (; frames[next] === frame; next++) writer.write(picture)
        picture.unref()
      })
      writer?.finish()
    } finally {
      writer?.free()
      maker.free()
    }
    return Promise.resolve(output)
  }

  close(): void {
    this.codec.freeContext()
    this.frame.free()
    this.packets.free()
    this.file.close()
  }

  /**
   * @param wanted ascending
   * @param keep called with each of them in turn while it is in `frame`
   * @returns number of frames that came out
   */
  private decodeFrames(wanted: readonly number[], keep: (frame: number) => void): number {
    return this.naming.kind === 'stamp'
      ? this.decodeByStamp(wanted, this.naming.stamps, keep)
      : this.decodeByOrdinal(wanted, keep)
  }

  private decodeByStamp(wanted: readonly number[], stamps: Float64Array, keep: (frame: number) => void): number {
    let decoded = 0
    let next = 0
    for (const run of planByTime(
      this.packets.table,
      wanted.map((frame) => stamps[frame]),
    )) {
      const end = next + run.stamps.length
      decoded += this.run(run, new Set(run.stamps), () => {
        if (next < end && this.stampOf(this.frame) === stamps[wanted[next]]) keep(wanted[next++])
        return true
      })
      if (next < end) throw this.missing(wanted[next])
    }
    return decoded
  }

  private decodeByOrdinal(wanted: readonly number[], keep: (frame: number) => void): number {
    let ordinal = 0
    let next = 0
    const decoded = this.run({ first: 0, last: this.packets.length - 1 }, undefined, () => {
      if (ordinal++ === wanted[next]) keep(wanted[next++])
      return next < wanted.length
    })
    if (next < wanted.length) throw this.missing(wanted[next])
    return decoded
  }

  /**
   * Decodes the packets of a run from a clean decoder and drains it.
   * @param needed time stamps that must come out; the others are skipped where that is exact. Undefined: everything comes out.
   * @param visit called with every frame that came out; false stops
   * @returns number of frames that came out
   */
  private run(run: Run, needed: ReadonlySet<number> | undefined, visit: () => boolean): number {
    const { table } = this.packets
    let frames = 0
    const drain = (): boolean => {
      while (this.codec.receiveFrameSync(this.frame) >= 0) {
        frames++
        const goOn = visit()
        this.frame.unref()
        if (!goOn) return false
      }
      return true
    }
    try {
      for (let position = run.first; position <= run.last; position++) {
        const stamp = table.pts[position]
        this.skipUnreferenced(
          this.canSkip && needed !== undefined && table.hidden[position] === 0 && !needed.has(stamp),
        )
        // A packet that the decoder refuses costs its frame, as in every player; a frame that is then missing is noticed by the caller.
        this.codec.sendPacketSync(this.packets.at(position))
        if (!drain()) return frames
      }
      this.codec.sendPacketSync(null)
      drain()
      return frames
    } finally {
      this.codec.flushBuffers()
    }
  }

  private skipUnreferenced(skip: boolean): void {
    if (skip === this.skipping) return
    this.codec.setOption('skip_frame', skip ? 'noref' : 'default')
    this.skipping = skip
  }

  private stampOf(frame: Frame): number | undefined {
    const stamp = frame.pts === AV_NOPTS_VALUE ? frame.bestEffortTimestamp : frame.pts
    return stamp === AV_NOPTS_VALUE ? undefined : Number(stamp)
  }

  private secondsFrom(stamps: Float64Array): Float64Array {
    return stamps.map((stamp) => (stamp - stamps[0]) * this.input.timeBase)
  }

  private evenTimes(count: number): Float64Array {
    const fps = this.info.fps > 0 ? this.info.fps : 25
    return Float64Array.from({ length: count }, (_, i) => i / fps)
  }

  private missing(frame: number): Error {
    return videoError(
      'VIDEO_FRAMES_MISSING',
      this.info.path,
      `frame ${frame} is listed in the file but cannot be decoded`,
    )
  }
}
