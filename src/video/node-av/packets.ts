import { AV_NOPTS_VALUE, AV_PKT_FLAG_DISCARD, AVSEEK_FLAG_BACKWARD } from 'node-av/constants'
import { Packet } from 'node-av/lib'
import type { VideoFile } from '../video-file.ts'
import { type Input, openInput } from './input.ts'

/** Files up to this size are read once and their packets kept, so that decoding needs no second read and no seeking. */
const defaultKeepBytes = 64 * 1024 * 1024

/** What the container says of each packet of the stream, in the order they are stored (decoding order). */
export interface PacketTable {
  /** Presentation time stamps in stream units. */
  readonly pts: Float64Array
  readonly key: Uint8Array
  /** 1 where the packet is decoded but not shown (edit lists). */
  readonly hidden: Uint8Array
  /**
   * `own`: every shown packet has its own time stamp, so stamps name frames. `some`: some have none (AVI with B-frames): frames are counted, one for
   * each packet. `shared`: several packets share a stamp (hidden pictures, fields): only decoding tells the frames.
   */
  readonly stamps: 'own' | 'some' | 'shared'
  /** Number of shown packets. */
  readonly shown: number
}

/** Reads the packets of one stream, from memory where the file is small enough, else from the file by seeking. */
export class PacketSource {
  readonly table: PacketTable
  private input: Input
  private readonly file: VideoFile
  private readonly maxPixels: number
  private readonly keepBytes: number
  private kept: Packet[] | undefined = []
  private readonly scratch = new Packet()
  /** Table position of the packet in `scratch`, when packets are not kept; undefined when unknown. */
  private held: number | undefined

  constructor(file: VideoFile, input: Input, maxPixels: number, keepBytes = defaultKeepBytes) {
    this.file = file
    this.input = input
    this.maxPixels = maxPixels
    this.keepBytes = keepBytes
    this.scratch.alloc()
    this.table = this.scan()
  }

  get length(): number {
    return this.table.pts.length
  }

  /** The packet at a position of the table; it stays valid until the next call. */
  at(position: number): Packet {
    if (this.kept !== undefined) return this.kept[position]
    if (this.held === undefined || this.held > position) this.rewind(position)
    while (this.held! < position) {
      if (!this.readNext()) throw new RangeError(`Packet ${position} of ${this.input.info.path} cannot be read again.`)
      this.held!++
    }
    return this.scratch
  }

  free(): void {
    for (const packet of this.kept ?? []) packet.free()
    this.kept = undefined
    this.scratch.free()
    this.input.format.closeInputSync()
  }

  private readNext(): boolean {
    for (;;) {
      this.scratch.unref()
      if (this.input.format.readFrameSync(this.scratch) < 0) return false
      if (this.scratch.streamIndex === this.input.streamIndex && this.scratch.size > 0) return true
    }
  }

  private scan(): PacketTable {
    const pts: number[] = []
    const key: number[] = []
    const hidden: number[] = []
    const seen = new Set<number>()
    let bytes = 0
    let shown = 0
    let stamps: PacketTable['stamps'] = 'own'
    while (this.readNext()) {
      const stamp = this.scratch.pts
      const isHidden = (this.scratch.flags & AV_PKT_FLAG_DISCARD) !== 0
      const time = stamp === AV_NOPTS_VALUE ? Number.NaN : Number(stamp)
      pts.push(time)
      key.push(this.scratch.isKeyframe ? 1 : 0)
      hidden.push(isHidden ? 1 : 0)
      if (!isHidden) {
        shown++
        if (Number.isNaN(time)) stamps = 'some'
        else if (seen.has(time) && stamps === 'own') stamps = 'shared'
        seen.add(time)
      }
      bytes += this.scratch.size
      if (bytes > this.keepBytes) this.drop()
      const copy = this.kept === undefined ? null : this.scratch.clone()
      if (copy !== null) this.kept?.push(copy)
    }
    return { pts: Float64Array.from(pts), key: Uint8Array.from(key), hidden: Uint8Array.from(hidden), stamps, shown }
  }

  private drop(): void {
    for (const packet of this.kept ?? []) packet.free()
    this.kept = undefined
  }

  /** Reads the packet at `position` or one before it. A container that lands elsewhere is opened again and read from its start. */
  private rewind(position: number): void {
    const { pts, key, stamps } = this.table
    if (stamps === 'own' && key[position] === 1) {
      const sought = this.input.format.seekFrameSync(
        this.input.streamIndex,
        BigInt(pts[position]),
        AVSEEK_FLAG_BACKWARD,
      )
      if (sought >= 0 && this.readNext()) {
        this.held = this.positionOf(Number(this.scratch.pts), position)
        if (this.held !== undefined) return
      }
    }
    this.input.format.closeInputSync()
    this.input = openInput(this.file, this.maxPixels)
    this.held = this.readNext() ? 0 : undefined
    if (this.held === undefined) throw new RangeError(`${this.file.path} cannot be read again.`)
  }

  /** Position at or before `limit` of the packet with a time stamp. */
  private positionOf(stamp: number, limit: number): number | undefined {
    for (let i = limit; i >= 0; i--) if (this.table.pts[i] === stamp) return i
    return undefined
  }
}
