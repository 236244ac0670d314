import { VideoMaeError } from '../core/errors.ts'
import type { NumberSink } from './number-column.ts'

/**
 * Protocol Buffers wire format (proto3 encoding guide), as much as ONNX and TensorBoard files need: varints, fixed 32 and
 * 64 bits, length-delimited bytes, nested messages. Fields are numbered by the caller; there is no schema.
 */
const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

/** From this size on, bytes are kept by reference until the message is put together, so weights are copied once. */
const referenceFrom = 4096

interface Reference {
  /** Position in the buffer of small bytes before which `bytes` belongs. */
  at: number
  readonly bytes: Uint8Array
}

/**
 * Builds one message. Nested messages are written in place and their length is put in afterwards, which moves only the
 * small bytes inside them; the cost is linear in the size of the message.
 */
export class ProtobufWriter {
  private buffer: Uint8Array
  private view: DataView
  private used = 0
  private readonly references: Reference[] = []
  private referenced = 0
  private readonly encoder = new TextEncoder()

  constructor(capacity = 1024) {
    this.buffer = new Uint8Array(capacity)
    this.view = new DataView(this.buffer.buffer)
  }

  /** Bytes of the message so far. */
  get size(): number {
    return this.used + this.referenced
  }

  /** int32, int64, uint64, enum: numbers must be safe integers; negative ones take ten bytes, as the format says. */
  int(field: number, value: number | bigint): this {
    this.tag(field, wire.varint)
    this.signed(value)
    return this
  }

  float(field: number, value: number): this {
    this.tag(field, wire.fixed32)
    this.reserve(4)
    this.view.setFloat32(this.used, value, true)
    this.used += 4
    return this
  }

  double(field: number, value: number): this {
    this.tag(field, wire.fixed64)
    this.reserve(8)
    this.view.setFloat64(this.used, value, true)
    this.used += 8
    return this
  }

  string(field: number, value: string): this {
    this.tag(field, wire.bytes)
    const length = value.length
    this.reserve(5 + 3 * length)
    const start = this.used
    this.varint(length)
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code > 127) {
        // Not ASCII: the length in bytes differs, so start again.
        this.used = start
        const bytes = this.encoder.encode(value)
        this.varint(bytes.length)
        this.raw(bytes)
        return this
      }
      this.buffer[this.used++] = code
    }
    return this
  }

  /** The array must not change before `finish`. */
  bytes(field: number, value: Uint8Array): this {
    this.tag(field, wire.bytes)
    this.varint(value.length)
    if (value.length < referenceFrom) {
      this.raw(value)
    } else {
      this.references.push({ at: this.used, bytes: value })
      this.referenced += value.length
    }
    return this
  }

  /** A nested message that `write` fills. */
  message(field: number, write: (writer: this) => void): this {
    this.tag(field, wire.bytes)
    this.reserve(1)
    const lengthAt = this.used++
    const mark = this.references.length
    const before = this.referenced
    write(this)
    const length = this.used - lengthAt - 1 + (this.referenced - before)
    const extra = varintBytes(length) - 1
    if (extra > 0) {
      this.reserve(extra)
      this.buffer.copyWithin(lengthAt + 1 + extra, lengthAt + 1, this.used)
      for (let i = mark; i < this.references.length; i++) this.references[i].at += extra
    }
    const end = this.used + extra
    this.used = lengthAt
    this.varint(length)
    this.used = end
    return this
  }

  /** Repeated varints in one packed field. */
  packedInts(field: number, values: Iterable<number | bigint>): this {
    return this.message(field, () => {
      for (const value of values) this.signed(value)
    })
  }

  /** Repeated floats in one packed field. */
  packedFloats(field: number, values: ArrayLike<number>): this {
    this.tag(field, wire.bytes)
    this.varint(values.length * 4)
    this.reserve(values.length * 4)
    for (let i = 0; i < values.length; i++) {
      this.view.setFloat32(this.used, values[i], true)
      this.used += 4
    }
    return this
  }

  /** The message in pieces, in order; the pieces may be views of what was passed to `bytes`. */
  pieces(): Uint8Array[] {
    const pieces: Uint8Array[] = []
    let from = 0
    for (const { at, bytes } of this.references) {
      if (at > from) pieces.push(this.buffer.subarray(from, at))
      pieces.push(bytes)
      from = at
    }
    if (this.used > from) pieces.push(this.buffer.subarray(from, this.used))
    return pieces
  }

  /** The message in one new array. */
  finish(): Uint8Array {
    const out = new Uint8Array(this.size)
    let at = 0
    for (const piece of this.pieces()) {
      out.set(piece, at)
      at += piece.length
    }
    return out
  }

  private tag(field: number, type: number): void {
    this.varint(field * 8 + type)
  }

  private signed(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0) {
      if (!Number.isSafeInteger(value)) throw notAnInteger(value)
      this.varint(value)
      return
    }
    if (typeof value === 'number' && !Number.isSafeInteger(value)) throw notAnInteger(value)
    let rest = BigInt.asUintN(64, BigInt(value))
    this.reserve(10)
    while (rest > 127n) {
      this.buffer[this.used++] = Number(rest & 127n) | 128
      rest >>= 7n
    }
    this.buffer[this.used++] = Number(rest)
  }

  /** A non-negative safe integer. */
  private varint(value: number): void {
    this.reserve(8)
    let rest = value
    while (rest > 0x7fffffff) {
      this.buffer[this.used++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    while (rest > 127) {
      this.buffer[this.used++] = (rest & 127) | 128
      rest >>>= 7
    }
    this.buffer[this.used++] = rest
  }

  private raw(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.buffer.set(bytes, this.used)
    this.used += bytes.length
  }

  private reserve(bytes: number): void {
    if (this.used + bytes <= this.buffer.length) return
    const larger = new Uint8Array(Math.max(this.buffer.length * 2, this.used + bytes))
    larger.set(this.buffer.subarray(0, this.used))
    this.buffer = larger
    this.view = new DataView(larger.buffer)
  }
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) bytes++
  return bytes
}

function notAnInteger(value: number): RangeError {
  return new RangeError(`A protobuf integer must be a safe integer, got ${value}.`)
}

/**
 * Walks over the fields of one message: `while (reader.next()) switch (reader.field) { ... }`. A field that is not
 * asked for is skipped.
 */
export class ProtobufReader {
  field = 0
  private type: number = wire.varint
  private at = 0
  private start = 0
  private end = 0
  private readonly data: Uint8Array
  private readonly view: DataView

  constructor(data: Uint8Array) {
    this.data = data
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  }

  /** Go to the next field; false at the end. @throws VideoMaeError `PROTOBUF_INVALID` */
  next(): boolean {
    if (this.at === this.data.length) return false
    const tag = Number(this.varintAt())
    this.field = Math.floor(tag / 8)
    this.type = tag % 8
    if (this.field === 0) throw damaged('a field has number 0')
    if (this.type === wire.varint) {
      this.start = this.at
      this.varintAt()
    } else {
      const size =
        this.type === wire.fixed32
          ? 4
          : this.type === wire.fixed64
            ? 8
            : this.type === wire.bytes
              ? undefined
              : Number.NaN
      if (Number.isNaN(size)) throw damaged(`field ${this.field} has wire type ${this.type}`)
      const length = size ?? Number(this.varintAt())
      this.start = this.at
      if (length > this.data.length - this.at) {
        throw damaged(`field ${this.field} needs ${length} bytes, but ${this.data.length - this.at} are left`)
      }
      this.at += length
    }
    this.end = this.at
    return true
  }

  /** The varint as a signed 64-bit integer. */
  bigint(): bigint {
    this.expect(wire.varint)
    return BigInt.asIntN(64, this.rereadVarint())
  }

  /** The varint as a number. @throws VideoMaeError `PROTOBUF_INVALID` when it is not a safe integer */
  int(): number {
    const value = Number(this.bigint())
    if (!Number.isSafeInteger(value)) throw damaged(`field ${this.field} is too large`)
    return value
  }

  float(): number {
    this.expect(wire.fixed32)
    return this.view.getFloat32(this.start, true)
  }

  double(): number {
    this.expect(wire.fixed64)
    return this.view.getFloat64(this.start, true)
  }

  /** A view of the bytes, not a copy. */
  bytes(): Uint8Array {
    this.expect(wire.bytes)
    return this.data.subarray(this.start, this.end)
  }

  string(): string {
    return new TextDecoder().decode(this.bytes())
  }

  /** A reader of the nested message. */
  message(): ProtobufReader {
    return new ProtobufReader(this.bytes())
  }

  /** Repeated integers, packed or one by one: appends what this field holds. */
  appendInts(to: NumberSink<bigint>): void {
    if (this.type === wire.varint) {
      to.push(this.bigint())
      return
    }
    const packed = this.message()
    if (to.reserve) {
      let count = 0
      for (const byte of packed.data) if (byte < 128) count++
      to.reserve(count)
    }
    while (packed.at < packed.data.length) to.push(BigInt.asIntN(64, packed.varintAt()))
  }

  /** Repeated floats, packed or one by one: appends what this field holds. */
  appendFloats(to: NumberSink<number>): void {
    if (this.type === wire.fixed32) {
      to.push(this.float())
      return
    }
    const bytes = this.bytes()
    if (bytes.length % 4 !== 0) throw damaged(`field ${this.field} holds ${bytes.length} bytes of floats`)
    to.reserve?.(bytes.length / 4)
    for (let at = this.start; at < this.end; at += 4) to.push(this.view.getFloat32(at, true))
  }

  private expect(type: number): void {
    if (this.type !== type) throw damaged(`field ${this.field} has wire type ${this.type}, not ${type}`)
  }

  private rereadVarint(): bigint {
    const back = this.at
    this.at = this.start
    const value = this.varintAt()
    this.at = back
    return value
  }

  private varintAt(): bigint {
    let low = 0
    let factor = 1
    for (let i = 0; i < 10; i++) {
      if (this.at === this.data.length) throw damaged('it ends inside a number')
      const byte = this.data[this.at++]
      if (i < 7) {
        low += (byte & 127) * factor
        factor *= 128
        if (byte < 128) return BigInt(low)
      } else {
        let high = BigInt(byte & 127)
        let shift = 7n
        for (let last = byte; last >= 128; shift += 7n) {
          if (this.at === this.data.length) throw damaged('it ends inside a number')
          if (shift > 14n) break
          last = this.data[this.at++]
          high |= BigInt(last & 127) << shift
        }
        return BigInt.asUintN(64, (high << 49n) | BigInt(low))
      }
    }
    throw damaged('a number is longer than ten bytes')
  }
}

function damaged(problem: string): VideoMaeError {
  return new VideoMaeError(`Expected a protobuf message, but ${problem}.`, { code: 'PROTOBUF_INVALID', exit: 'data' })
}
