import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_LOG_QUIET,
  AV_OPT_SEARCH_CHILDREN,
  AV_OPT_TYPE_STRING,
  AV_PIX_FMT_YUV420P,
  AV_PIX_FMT_YUV420P10LE,
  AV_PKT_DATA_DISPLAYMATRIX,
  AVFMT_GLOBALHEADER,
  type FFEncoderCodec,
} from 'node-av/constants'
import { Codec, CodecContext, Dictionary, FormatContext, Frame, Log, Packet, Rational } from 'node-av/lib'

/** A folder for generated videos, removed by `dispose`. */
export async function temporaryFolder(): Promise<{ readonly path: string; dispose(): void }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'videomae-test-'))
  return { path: folder, dispose: () => rmSync(folder, { recursive: true, force: true }) }
}

export interface FixtureOptions {
  readonly width?: number
  readonly height?: number
  readonly frames?: number
  /** Display times in milliseconds; default: 25 frames per second. */
  readonly times?: readonly number[]
  /** Frames between keyframes. Default 12. */
  readonly gop?: number
  readonly bFrames?: number
  readonly encoder?: string
  readonly tenBit?: boolean
  /** Display matrix rows (a b)(c d), e.g. `[0, 1, -1, 0]` turns clockwise. */
  readonly matrix?: readonly [number, number, number, number]
  /** Encoder options, e.g. `flags=+ilme+ildct`. */
  readonly options?: Readonly<Record<string, string>>
  /** Metadata of the file and of its stream. */
  readonly tags?: Readonly<Record<string, string>>
}

/** Bits of the frame number drawn as black and white columns. */
export const bits = 8

/**
 * Encodes a video whose frame n shows n: eight columns, black or white as the bits of n, over the upper three quarters; the lower quarter is a
 * gray ramp from left to right. So a decoded picture tells which frame it is, and its orientation.
 */
export function encodeFixture(file: string, options: FixtureOptions = {}): void {
  const { width = 128, height = 96, frames = 40, gop = 12, bFrames = 2, encoder = 'libx264', tenBit = false } = options
  // Constant rate counts frames: AVI and MPEG-2 know nothing finer.
  const timeBase = options.times === undefined ? new Rational(1, 25) : new Rational(1, 1000)
  const stamps = options.times ?? Array.from({ length: frames }, (_, i) => i)
  Log.setLevel(AV_LOG_QUIET)
  const codec = Codec.findEncoderByName(encoder as FFEncoderCodec)
  if (codec === null) throw new Error(`no encoder ${encoder}`)
  const format = new FormatContext()
  check(format.allocOutputContext2(null, null, file))
  const stream = format.newStream(codec)
  const context = new CodecContext()
  context.allocContext3(codec)
  context.width = width
  context.height = height
  context.pixelFormat = tenBit ? AV_PIX_FMT_YUV420P10LE : AV_PIX_FMT_YUV420P
  context.timeBase = timeBase
  context.framerate = new Rational(25, 1)
  context.gopSize = gop
  context.maxBFrames = bFrames
  context.bitRate = 2_000_000n
  context.threadCount = 1
  if (format.oformat !== null && (format.oformat.flags & AVFMT_GLOBALHEADER) !== 0)
    context.setFlags(AV_CODEC_FLAG_GLOBAL_HEADER)
  const x264 = encoder === 'libx264' ? { preset: 'veryfast', crf: '10', sc_threshold: '0' } : {}
  // `search children`: most of these belong to the encoder behind the context.
  for (const [name, value] of Object.entries({ ...x264, ...options.options })) {
    check(context.setOption(name, value, AV_OPT_TYPE_STRING, AV_OPT_SEARCH_CHILDREN))
  }
  check(context.open2Sync(codec))
  check(stream.codecpar.fromContext(context))
  stream.timeBase = timeBase
  stream.avgFrameRate = new Rational(25, 1)
  if (options.matrix !== undefined)
    check(stream.codecpar.addCodedSideData(AV_PKT_DATA_DISPLAYMATRIX, displayMatrix(options.matrix)))
  if (options.tags !== undefined) {
    format.metadata = Dictionary.fromObject(options.tags)
    stream.metadata = Dictionary.fromObject(options.tags)
  }
  check(format.openOutputSync())
  check(format.writeHeaderSync())
  const packet = new Packet()
  packet.alloc()
  const drain = (): void => {
    while (context.receivePacketSync(packet) >= 0) {
      packet.streamIndex = 0
      packet.rescaleTs(timeBase, stream.timeBase)
      check(format.interleavedWriteFrameSync(packet))
      packet.unref()
    }
  }
  for (const [n, stamp] of stamps.entries()) {
    const frame = Frame.fromVideoBuffer(picture(n, width, height, tenBit), {
      width,
      height,
      format: context.pixelFormat,
      pts: BigInt(stamp),
      timeBase,
    })
    check(context.sendFrameSync(frame))
    frame.free()
    drain()
  }
  check(context.sendFrameSync(null))
  drain()
  check(format.writeTrailerSync())
  format.closeOutputSync()
  packet.free()
  context.freeContext()
  format.freeContext()
}

/** yuv420p (or yuv420p10le) picture of frame `n`, tightly packed. */
function picture(n: number, width: number, height: number, tenBit: boolean): Buffer {
  const chroma = Math.ceil(width / 2) * Math.ceil(height / 2)
  const samples = new Uint16Array(width * height + 2 * chroma).fill(128)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = (n >> Math.floor((x * bits) / width)) & 1
      samples[y * width + x] = y < 0.75 * height ? (bit === 1 ? 235 : 16) : 16 + Math.round((219 * x) / width)
    }
  }
  if (!tenBit) return Buffer.from(Uint8Array.from(samples))
  for (let i = 0; i < samples.length; i++) samples[i] *= 4
  return Buffer.from(samples.buffer)
}

/** Frame number that a decoded RGB picture shows. */
export function readFrameNumber(rgb: Uint8Array, width: number, height: number): number {
  let n = 0
  const y = Math.floor(height / 4)
  for (let bit = 0; bit < bits; bit++) {
    const x = Math.floor(((bit + 0.5) * width) / bits)
    if (rgb[(y * width + x) * 3 + 1] > 127) n |= 1 << bit
  }
  return n
}

function displayMatrix([a, b, c, d]: readonly [number, number, number, number]): Buffer {
  const matrix = Buffer.alloc(36)
  for (const [i, value] of [a, b, 0, c, d].entries()) matrix.writeInt32LE(value * 65536, i * 4)
  matrix.writeInt32LE(2 ** 30, 32)
  return matrix
}

function check(code: number): void {
  if (code < 0) throw new Error(`FFmpeg error ${code}`)
}
