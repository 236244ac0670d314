import { closeSync } from 'node:fs'
import { VideoMaeError } from '../../core/errors.ts'
import {
  containerRefusal,
  containerWhitelist,
  isAllowedContainer,
  knownText,
  requireNoStillPicture,
  textHeadBytes,
} from '../containers.ts'
import { cropChain } from '../filters.ts'
import { requireOpenable } from '../machine-errors.ts'
import { upright } from '../orientation.ts'
import type { DecoderLimits, DecodeStats, FrameTimes, Geometry, OpenVideo, Size, VideoInfo } from '../types.ts'
import { escapedText, videoError } from '../video-errors.ts'
import { VideoFile } from '../video-file.ts'
import { recordFilters, sizeFromFrameList, stampFilters, ticksPerSecond } from './frame-records.ts'
import { type FfmpegProgram, inputOf, type ProgramRun, runFfmpeg } from './program.ts'
import { readStreamLog, type StreamLog } from './stream-log.ts'

/** Seconds before the first wanted frame that reading starts, so that the keyframe it needs is inside. */
const seekMargin = 1

type Limits = Required<DecoderLimits>

/** Room for the lines that `framecrc` writes before the first frame. */
const listBytes = 4096

/** Decodes the file once, without keeping pictures, to learn its frames. */
export async function openWithProgram(program: FfmpegProgram, path: string, limits: Limits): Promise<OpenVideo> {
  const file = new VideoFile(path)
  try {
    requireNoStillPicture(path, file.head(12))
    // `framecrc` lists the frames that come out with their size; what it lists of each is the checksum of a pointer, and costs nothing.
    const chain = [...stampFilters, ...recordFilters].join(',')
    const output = [...['-vf', chain], ...program.passThrough, ...['-c:v', 'wrapped_avframe', '-f', 'framecrc', '-']]
    const list = new Uint8Array(listBytes)
    const run = await runOn(program, file, limits, output, list)
    const written = Buffer.from(list.subarray(0, run.bytes)).toString('latin1')
    const log = readStreamLog(run.log)
    const { stamps } = run.records
    const size = sizeFromFrameList(written)
    if (stamps.length === 0 && /^0,/m.test(written)) throw unknownProgram(path, 'lists no frames')
    if (stamps.length === 0 || size === undefined) throw noFrames(log, file, limits)
    const info: VideoInfo = {
      path,
      ...size,
      container: log.container,
      codec: log.codec ?? 'unknown',
      pixelFormat: log.pixelFormat,
      fps: log.fps,
      duration: log.duration,
      rotation: log.rotation,
      mirrored: false,
      bytes: file.bytes,
    }
    return new ProgramVideo(program, file, info, stamps, limits)
  } catch (error) {
    throw file.closeAfter(error)
  }
}

/** One run of the program over the whole file, or from `seek` on. @param output all that follows the input */
async function runOn(
  program: FfmpegProgram,
  file: VideoFile,
  limits: Limits,
  output: readonly string[],
  out: Uint8Array,
  seek: readonly string[] = [],
): Promise<ProgramRun> {
  const { protocol, input } = inputOf(program, file.path)
  const args = [
    ...['-hide_banner', '-nostdin', '-nostats', '-copyts', '-threads', '1', '-max_pixels', String(limits.maxPixels)],
    // Whatever the file is, it opens no other: neither as another format nor by another way.
    ...['-protocol_whitelist', protocol, '-format_whitelist', containerWhitelist],
    ...[...seek, ...input, '-an', '-sn', '-dn', '-map_metadata', '-1', '-map_chapters', '-1'],
    ...output,
  ]
  const descriptor = file.reopen()
  let run: ProgramRun
  try {
    run = await runFfmpeg(program.path, args, descriptor, out, limits.timeoutSeconds)
  } finally {
    closeSync(descriptor)
  }
  if (run.stopped !== undefined) throw videoError('VIDEO_TIMEOUT', file.path, `ffmpeg ${run.stopped} and was stopped`)
  if (run.ending !== 'by itself') {
    const killed = run.ending === 'killed'
    const code = killed ? 'VIDEO_DECODER_KILLED' : 'VIDEO_DECODER_CRASHED'
    throw videoError(code, file.path, `the ffmpeg program ${killed ? 'was killed' : 'crashed'}`)
  }
  if (run.records.strangeLines > 0) throw unknownProgram(file.path, 'writes an unexpected list of frames')
  return run
}

function noFrames(log: StreamLog, file: VideoFile, limits: Limits): Error {
  const { path } = file
  const { claimed, complaint } = log
  const opened = log.container !== 'unknown'
  const refused = log.refused ?? (opened ? undefined : knownText(file.head(textHeadBytes)))
  if (refused !== undefined && !isAllowedContainer(refused)) return containerRefusal(path, refused)
  if (claimed !== undefined && claimed.width * claimed.height > limits.maxPixels) {
    const size = `${claimed.width}x${claimed.height}`
    return videoError(
      'VIDEO_TOO_LARGE',
      path,
      `declares pictures of ${size}, more than the limit of ${limits.maxPixels} pixels`,
    )
  }
  if (log.codec !== undefined) return videoError('VIDEO_NO_FRAMES', path, 'no frame can be decoded')
  if (opened) return videoError('VIDEO_NO_STREAM', path, 'has no video stream')
  requireOpenable(path)
  return videoError('VIDEO_UNREADABLE', path, `cannot be opened as a video (${complaint})`)
}

function unknownProgram(path: string, problem: string): VideoMaeError {
  return new VideoMaeError(`${escapedText(path)}: the ffmpeg program ${problem}.`, {
    code: 'VIDEO_FILTER_FAILED',
    exit: 'environment',
    hint: 'Use an ffmpeg program of version 4.4 or later.',
  })
}

class ProgramVideo implements OpenVideo {
  readonly info: VideoInfo
  readonly file: VideoFile
  private readonly program: FfmpegProgram
  /** Time stamps of the frames, NaN where a frame has none. */
  private readonly stamps: readonly number[]
  private readonly limits: Limits
  /** Whether time stamps name the frames; else they are counted. */
  private readonly timed: boolean

  constructor(program: FfmpegProgram, file: VideoFile, info: VideoInfo, stamps: readonly number[], limits: Limits) {
    this.program = program
    this.file = file
    this.info = info
    this.stamps = stamps
    this.limits = limits
    this.timed = stamps.every((stamp, i) => (i === 0 ? !Number.isNaN(stamp) : stamp > stamps[i - 1]))
  }

  frameTimes(): Promise<FrameTimes> {
    return this.decodedFrameTimes()
  }

  decodedFrameTimes(): Promise<FrameTimes> {
    const { stamps } = this
    const fps = this.info.fps > 0 ? this.info.fps : 25
    const times = Float64Array.from(stamps, (stamp, i) => (this.timed ? (stamp - stamps[0]) / ticksPerSecond : i / fps))
    return Promise.resolve({ times, source: 'decoded' })
  }

  async decode(
    frames: readonly number[],
    geometries: readonly Geometry[],
    output: Size,
    out: Uint8Array,
  ): Promise<DecodeStats> {
    const wanted = [...new Set(frames)].sort((a, b) => a - b)
    const frameBytes = output.width * output.height * 3
    const pictures = new Uint8Array(wanted.length * geometries.length * frameBytes)
    const first = this.stamps[wanted[0]] / ticksPerSecond
    const from = first - seekMargin
    // Only where seeking lands on a true keyframe: AVI and transport streams may start decoding in the middle of a group.
    const seeks = this.timed && from > 0 && /^(mov|matroska)/.test(this.info.container)
    if (!(seeks && (await this.extract(wanted, geometries, output, pictures, from)))) {
      if (!(await this.extract(wanted, geometries, output, pictures))) {
        throw videoError(
          'VIDEO_FRAMES_MISSING',
          this.info.path,
          'frames that could be decoded before cannot be decoded again',
        )
      }
    }
    for (const [slot, frame] of frames.entries()) {
      const row = wanted.indexOf(frame) * geometries.length
      for (let g = 0; g < geometries.length; g++) {
        const picture = pictures.subarray((row + g) * frameBytes, (row + g + 1) * frameBytes)
        out.set(picture, (g * frames.length + slot) * frameBytes)
      }
    }
    return { decoded: this.stamps.length, used: wanted.length }
  }

  close(): void {
    this.file.close()
  }

  /**
   * @param pictures uint8 [wanted][geometry][height][width][3]
   * @returns whether exactly the wanted frames came
   */
  private async extract(
    wanted: readonly number[],
    geometries: readonly Geometry[],
    output: Size,
    pictures: Uint8Array,
    startSeconds?: number,
  ): Promise<boolean> {
    const seek =
      startSeconds === undefined ? [] : ['-noaccurate_seek', '-seek_timestamp', '1', '-ss', startSeconds.toFixed(6)]
    const { stamps } = this
    const chosen = wanted.map((frame) => (this.timed ? `eq(pts\\,${stamps[frame]})` : `eq(n\\,${frame})`)).join('+')
    // The program turns the picture itself before the chain begins.
    const chains = geometries.map((g) => cropChain(g, output, this.info, this.info, upright))
    const branches = chains.map((_, i) => `[i${i}]`).join('')
    const split =
      chains.length === 1
        ? chains[0]
        : `split=${chains.length}${branches};${chains.map((chain, i) => `[i${i}]${chain}[o${i}]`).join(';')};` +
          `${chains.map((_, i) => `[o${i}]`).join('')}vstack=inputs=${chains.length}`
    const run = await runOn(
      this.program,
      this.file,
      this.limits,
      [
        ...['-vf', [...stampFilters, `select=${chosen}`, ...recordFilters, split].join(',')],
        ...this.program.passThrough,
        ...['-frames:v', String(wanted.length), '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'],
      ],
      pictures,
      seek,
    )
    if (/No such filter|Error (?:initializing|reinitializing|parsing)/i.test(run.log) && run.bytes === 0) {
      throw new VideoMaeError(`${escapedText(this.info.path)}: ffmpeg refused the filter chain ${chains[0]}.`, {
        code: 'VIDEO_FILTER_FAILED',
        exit: 'environment',
        hint: 'Use an ffmpeg program of version 4.4 or later.',
      })
    }
    const found = run.records.stamps.slice(0, wanted.length)
    return run.bytes === pictures.byteLength && (!this.timed || wanted.every((frame, i) => found[i] === stamps[frame]))
  }
}
