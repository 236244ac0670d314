import {
  AV_CODEC_FLAG_BITEXACT,
  AV_CODEC_FLAG_GLOBAL_HEADER,
  AV_OPT_SEARCH_CHILDREN,
  AV_OPT_TYPE_STRING,
  AV_PICTURE_TYPE_NONE,
  AV_PIX_FMT_YUV420P,
  AVERROR_EAGAIN,
  AVERROR_EOF,
  FF_ENCODER_LIBX264,
} from 'node-av/constants'
import { Codec, CodecContext, Dictionary, FormatContext, type Frame, Packet, Rational, type Stream } from 'node-av/lib'
import { VideoMaeError } from '../../core/errors.ts'
import type { EncodeSettings, Size } from '../types.ts'
import { encodingFailed } from '../video-errors.ts'
import { reason } from './input.ts'

/** Time stamps of a file that is written: ascending, in units of `num / den` seconds. */
export interface Stamps {
  readonly unit: { readonly num: number; readonly den: number }
  readonly values: readonly number[]
}

/** Fine enough for every usual rate. */
const finest = { num: 1, den: 90_000 }

/** An MP4 file says in 31 bits how long a frame is shown. */
const mostTicks = 2 ** 31 - 1

/**
 * Time stamps for seconds: exactly those of the source where its unit tells them apart and an MP4 file can hold them.
 *
 * @param unit of the source's stamps
 * @returns null where a frame is shown longer than an MP4 file can say: 6 hours and more, by the unit
 */
export function stampsOf(
  seconds: readonly number[],
  fps: number | undefined,
  { num, den }: { readonly num: number; readonly den: number },
): Stamps | null {
  if (fps !== undefined)
    return { unit: { num: 1000, den: Math.round(fps * 1000) }, values: Array.from(seconds, (_, i) => i) }
  const longest = seconds.reduce((most, second, i) => (i === 0 ? 0 : Math.max(most, second - seconds[i - 1])), 0)
  const fits = (unit: Stamps['unit']): boolean => longest * ticksPerSecond(unit) <= mostTicks
  const at = (unit: Stamps['unit']): number[] => seconds.map((second) => Math.round((second * unit.den) / unit.num))
  const own = at({ num, den })
  if (fits({ num, den }) && own.every((value, i) => i === 0 || value > own[i - 1]))
    return { unit: { num, den }, values: own }
  if (!fits(finest)) return null
  const values = at(finest)
  for (let i = 1; i < values.length; i++) values[i] = Math.max(values[i], values[i - 1] + 1)
  return { unit: finest, values }
}

/** The muxer doubles the denominator of the unit until it is fine enough for other streams. */
function ticksPerSecond({ den }: Stamps['unit']): number {
  let ticks = den
  while (ticks < 10_000) ticks *= 2
  return ticks
}

/**
 * Writes one H.264 stream in an MP4 file, made to be read in pieces: closed groups of pictures of a fixed length, no B-frames, one reference, and neither
 * arithmetic coding nor deblocking, which cost most of the time of a decoder. One thread, and nothing that names a time or a machine.
 */
export class VideoWriter {
  private readonly format = new FormatContext()
  private readonly packet = new Packet()
  private readonly codec = new CodecContext()
  private readonly stream: Stream
  private readonly unit: Rational
  private readonly stamps: readonly number[]
  private readonly file: string
  private given = 0
  private written = 0

  /**
   * @param first a frame as all will be: its colors are declared in the file
   * @throws VideoMaeError `ENCODER_MISSING`, `ENCODING_FAILED`
   */
  constructor(file: string, size: Size, { unit, values }: Stamps, settings: EncodeSettings, first: Frame) {
    const encoder = Codec.findEncoderByName(FF_ENCODER_LIBX264)
    if (encoder === null) throw encoderMissing()
    this.unit = new Rational(unit.num, unit.den)
    this.stamps = values
    this.file = file
    const { codec, format } = this
    codec.allocContext3(encoder)
    this.packet.alloc()
    codec.width = size.width
    codec.height = size.height
    codec.pixelFormat = AV_PIX_FMT_YUV420P
    codec.timeBase = this.unit
    codec.sampleAspectRatio = new Rational(1, 1)
    codec.threadCount = 1
    codec.colorRange = first.colorRange
    codec.colorSpace = first.colorSpace
    codec.colorPrimaries = first.colorPrimaries
    codec.colorTrc = first.colorTrc
    codec.flags = (codec.flags | AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_BITEXACT) as typeof codec.flags
    // One by one: opening the encoder with a dictionary frees the dictionary twice in this version of node-av.
    for (const [name, value] of Object.entries(encoderOptions(settings)))
      check(codec.setOption(name, value, AV_OPT_TYPE_STRING, AV_OPT_SEARCH_CHILDREN), `setting ${name}`)
    check(codec.open2Sync(encoder), 'opening the encoder')
    check(format.allocOutputContext2(null, 'mp4', `file:${file}`), 'making an MP4 file')
    this.stream = format.newStream(encoder)
    check(this.stream.codecpar.fromContext(codec), 'describing the stream')
    this.stream.timeBase = this.unit
    check(format.openOutputSync(), `writing ${file}`)
    check(
      format.writeHeaderSync(Dictionary.fromObject({ movflags: '+faststart', fflags: '+bitexact' })),
      `writing ${file}`,
    )
  }

  /** Adds a frame, with the next of the time stamps. */
  write(frame: Frame): void {
    frame.pts = BigInt(this.stamps[this.given++])
    frame.timeBase = this.unit
    frame.pictType = AV_PICTURE_TYPE_NONE // What it was in the source must not decide what it becomes.
    check(this.codec.sendFrameSync(frame), 'encoding a frame')
    this.drain()
  }

  /** Ends the file. */
  finish(): void {
    check(this.codec.sendFrameSync(null), 'encoding the last frames')
    this.drain()
    check(this.format.writeTrailerSync(), `writing ${this.file}`)
  }

  /** Frees everything; call it after `finish`, or instead of it. */
  free(): void {
    this.format.closeOutputSync()
    this.format.freeContext()
    this.codec.freeContext()
    this.packet.free()
  }

  /** Until the next frame; the last one is shown as long as the one before it. */
  private durationOf(frame: number): number {
    const { stamps } = this
    const at = Math.min(frame, stamps.length - 2)
    return at < 0 ? Math.max(1, Math.round(this.unit.den / this.unit.num / 25)) : stamps[at + 1] - stamps[at]
  }

  private drain(): void {
    for (;;) {
      const received = this.codec.receivePacketSync(this.packet)
      if (received === AVERROR_EAGAIN || received === AVERROR_EOF) return
      check(received, 'encoding')
      // Packets come in the order of the frames. Without a duration the last one would be behind the end of the file, and not be shown.
      this.packet.duration = BigInt(this.durationOf(this.written++))
      this.packet.streamIndex = this.stream.index
      this.packet.rescaleTs(this.unit, this.stream.timeBase)
      check(this.format.interleavedWriteFrameSync(this.packet), `writing ${this.file}`)
    }
  }
}

/** Without x264's `mbtree`, whose vector code reads memory that nothing has written: the bytes of a file would differ from process to process. */
function encoderOptions({ group, quality }: EncodeSettings): Record<string, string> {
  return {
    preset: 'medium',
    crf: String(quality),
    g: String(group),
    keyint_min: String(group),
    sc_threshold: '0',
    bf: '0',
    refs: '1',
    'x264-params': 'open-gop=0:cabac=0:no-deblock=1:weightp=0:mbtree=0',
  }
}

function check(code: number, what: string): void {
  if (code < 0) throw encodingFailed(`Expected ${what} to succeed, but it failed: ${reason(code)}.`)
}

function encoderMissing(): VideoMaeError {
  return new VideoMaeError('Expected the H.264 encoder libx264 in the FFmpeg of node-av, but this build has none.', {
    code: 'ENCODER_MISSING',
    exit: 'environment',
    hint: 'Prepare the videos on a machine whose build of node-av has it; all machines can read the files.',
  })
}
