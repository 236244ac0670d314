import { VideoMaeError } from '../../core/errors.ts'
import { cropChain } from '../filters.ts'
import { requireOpenable } from '../machine-errors.ts'
import { upright } from '../orientation.ts'
import type { DecoderLimits, DecodeStats, FrameTimes, Geometry, OpenVideo, Size, VideoInfo } from '../types.ts'
import { requireVideoFile, videoError } from '../video-errors.ts'
import { type FrameLog, readFrameLog } from './frame-log.ts'
import { type Program, type ProgramRun, runProgram } from './program.ts'

/** Seconds before the first wanted frame that reading starts, so that the keyframe it needs is inside. */
const seekMargin = 1

type Limits = Required<DecoderLimits>

/** Decodes the file once, without keeping pictures, to learn its frames. */
export async function openWithProgram(program: Program, path: string, limits: Limits): Promise<OpenVideo> {
  const bytes = requireVideoFile(path)
  const args = [
    ...inputArguments(path, limits),
    '-vf',
    'showinfo=checksum=0',
    ...program.passThrough,
    '-f',
    'null',
    '-',
  ]
  const run = await runProgram(program.path, args, new Uint8Array(0), limits.timeoutSeconds)
  requireInTime(run, path, limits)
  const log = readFrameLog(run.log)
  requireFrames(log, path, limits)
  const info: VideoInfo = {
    path,
    ...log.size!,
    container: log.container,
    codec: log.codec ?? 'unknown',
    pixelFormat: log.pixelFormat,
    fps: log.fps,
    duration: log.duration,
    rotation: log.rotation,
    mirrored: false,
    bytes,
  }
  return new ProgramVideo(program, info, log, limits)
}

function inputArguments(path: string, limits: Limits, seek: readonly string[] = []): string[] {
  return [
    ...['-hide_banner', '-nostdin', '-nostats', '-copyts', '-threads', '1', '-max_pixels', String(limits.maxPixels)],
    ...['-protocol_whitelist', 'file', ...seek, '-i', `file:${path}`, '-an', '-sn', '-dn'],
  ]
}

function requireInTime(run: ProgramRun, path: string, limits: Limits): void {
  if (run.timedOut)
    throw videoError('VIDEO_TIMEOUT', path, `ffmpeg took longer than ${limits.timeoutSeconds} s and was stopped`)
}

function requireFrames(log: FrameLog, path: string, limits: Limits): void {
  if (log.size !== undefined) return
  const { claimed, complaint } = log
  if (claimed !== undefined && claimed.width * claimed.height > limits.maxPixels) {
    const size = `${claimed.width}x${claimed.height}`
    throw videoError(
      'VIDEO_TOO_LARGE',
      path,
      `claims pictures of ${size}, more than the limit of ${limits.maxPixels} pixels`,
    )
  }
  if (log.codec !== undefined) throw videoError('VIDEO_NO_FRAMES', path, 'not one frame can be decoded')
  if (log.container !== 'unknown') throw videoError('VIDEO_NO_STREAM', path, 'has no video stream')
  requireOpenable(path)
  throw videoError('VIDEO_UNREADABLE', path, `cannot be opened as a video (${complaint})`)
}

class ProgramVideo implements OpenVideo {
  readonly info: VideoInfo
  private readonly program: Program
  private readonly log: FrameLog
  private readonly limits: Limits
  /** Whether time stamps name the frames; else they are counted. */
  private readonly timed: boolean

  constructor(program: Program, info: VideoInfo, log: FrameLog, limits: Limits) {
    this.program = program
    this.info = info
    this.log = log
    this.limits = limits
    this.timed = log.stamps.every((stamp, i) => i === 0 || stamp > log.stamps[i - 1])
  }

  frameTimes(): Promise<FrameTimes> {
    return this.decodedFrameTimes()
  }

  decodedFrameTimes(): Promise<FrameTimes> {
    const { stamps, timeBase } = this.log
    const fps = this.info.fps > 0 ? this.info.fps : 25
    const times = Float64Array.from(stamps, (stamp, i) => (this.timed ? (stamp - stamps[0]) * timeBase : i / fps))
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
    const first = this.log.stamps[wanted[0]] * this.log.timeBase
    const from = first - seekMargin
    // Only where seeking lands on a true keyframe: AVI and transport streams may start decoding in the middle of a group.
    const seeks = this.timed && from > 0 && /^(mov|matroska)/.test(this.info.container)
    if (!(seeks && (await this.extract(wanted, geometries, output, pictures, from)))) {
      if (!(await this.extract(wanted, geometries, output, pictures))) {
        throw videoError('VIDEO_FRAMES_MISSING', this.info.path, 'frames that decoded before do not decode again')
      }
    }
    for (const [slot, frame] of frames.entries()) {
      const row = wanted.indexOf(frame) * geometries.length
      for (let g = 0; g < geometries.length; g++) {
        const picture = pictures.subarray((row + g) * frameBytes, (row + g + 1) * frameBytes)
        out.set(picture, (g * frames.length + slot) * frameBytes)
      }
    }
    return { decoded: this.log.stamps.length, used: wanted.length }
  }

  close(): void {
    // Every call runs its own program to the end: nothing stays open.
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
    const { stamps } = this.log
    const chosen = wanted.map((frame) => (this.timed ? `eq(pts\\,${stamps[frame]})` : `eq(n\\,${frame})`)).join('+')
    // The program turns the picture itself before the chain begins.
    const chains = geometries.map((g) => cropChain(g, output, this.info, this.info, upright))
    const branches = chains.map((_, i) => `[i${i}]`).join('')
    const split =
      chains.length === 1
        ? chains[0]
        : `split=${chains.length}${branches};${chains.map((chain, i) => `[i${i}]${chain}[o${i}]`).join(';')};` +
          `${chains.map((_, i) => `[o${i}]`).join('')}vstack=inputs=${chains.length}`
    const run = await runProgram(
      this.program.path,
      [
        ...inputArguments(this.info.path, this.limits, seek),
        ...['-vf', `select=${chosen},showinfo=checksum=0,${split}`, ...this.program.passThrough],
        ...['-frames:v', String(wanted.length), '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'],
      ],
      pictures,
      this.limits.timeoutSeconds,
    )
    requireInTime(run, this.info.path, this.limits)
    if (/No such filter|Error (?:initializing|reinitializing|parsing)/i.test(run.log) && run.bytes === 0) {
      throw new VideoMaeError(`${this.info.path}: ffmpeg refused the filter chain ${chains[0]}.`, {
        code: 'VIDEO_FILTER_FAILED',
        exit: 'environment',
        hint: 'Use an ffmpeg program of version 4.4 or later.',
      })
    }
    const found = readFrameLog(run.log).stamps.slice(0, wanted.length)
    return run.bytes === pictures.byteLength && (!this.timed || wanted.every((frame, i) => found[i] === stamps[frame]))
  }
}
