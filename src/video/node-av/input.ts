import { closeSync } from 'node:fs'
import {
  AV_DISPOSITION_ATTACHED_PIC,
  AV_PKT_DATA_DISPLAYMATRIX,
  AVDISCARD_ALL,
  AVMEDIA_TYPE_VIDEO,
  type AVPixelFormat,
} from 'node-av/constants'
import {
  avGetCodecName,
  avGetPixFmtName,
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  FormatContext,
  InputFormat,
  type Stream,
} from 'node-av/lib'
import {
  containerRefusal,
  containerWhitelist,
  isAllowedContainer,
  knownText,
  requireNoStillPicture,
  textHeadBytes,
} from '../containers.ts'
import { requireOpenable } from '../machine-errors.ts'
import { describeOrientation, displaySize, type Orientation, orientationFromMatrix, upright } from '../orientation.ts'
import type { Size, VideoInfo } from '../types.ts'
import { videoError } from '../video-errors.ts'
import type { VideoFile } from '../video-file.ts'

/** An opened container and the one video stream that is used. */
export interface Input {
  readonly format: FormatContext
  readonly stream: Stream
  readonly streamIndex: number
  /** Seconds per unit of the stream's time stamps. */
  readonly timeBase: number
  readonly coded: Size
  readonly orientation: Orientation
  readonly info: VideoInfo
}

export function reason(code: number): string {
  return new FFmpegError(code).message
}

/** Bytes that tell FFmpeg what a file is. */
const probeBytes = 1 << 20

/**
 * Opens the container. FFmpeg is given the open file and not its name, so only the content decides what the file is taken for, and it may open neither
 * another format nor anything else: no file, no address.
 */
function openContainer(file: VideoFile): FormatContext {
  requireNoStillPicture(file.path, file.head(12))
  const descriptor = file.reopen()
  try {
    // Windows does not share descriptors with libraries.
    const [url, protocol] = process.platform === 'win32' ? [`file:${file.path}`, 'file'] : ['fd:', 'fd']
    const options = Dictionary.fromObject({
      ...(protocol === 'fd' ? { fd: descriptor } : {}),
      protocol_whitelist: protocol,
      format_whitelist: containerWhitelist,
      // References of QuickTime files to others: off by default too.
      enable_drefs: 0,
      use_absolute_path: 0,
    })
    const format = new FormatContext()
    format.allocContext()
    const opened = format.openInputSync(url, null, options)
    // Only what was opened may be closed: anything else crashes the process.
    if (opened < 0) throw notOpened(file, opened)
    const name = format.iformat?.name ?? 'unknown'
    if (isAllowedContainer(name)) return format
    format.closeInputSync()
    throw containerRefusal(file.path, name)
  } finally {
    closeSync(descriptor)
  }
}

/** Why a file was not opened. The library says only that it was not: what it would have been taken for is asked once more. */
function notOpened(file: VideoFile, code: number): Error {
  const name = InputFormat.probe(file.head(probeBytes))?.name ?? knownText(file.head(textHeadBytes))
  if (name !== undefined && !isAllowedContainer(name)) return containerRefusal(file.path, name)
  requireOpenable(file.path)
  return videoError('VIDEO_UNREADABLE', file.path, `cannot be opened as a video (${reason(code)})`)
}

/** Opens the container and picks the video stream as FFmpeg does (largest picture; cover art does not count). */
export function openInput(file: VideoFile, maxPixels: number): Input {
  const { path, bytes } = file
  const format = openContainer(file)
  try {
    for (const stream of format.streams) requireSaneSize(path, stream.codecpar, maxPixels)
    format.findStreamInfoSync()
    const streamIndex = format.findBestStream(AVMEDIA_TYPE_VIDEO)
    const stream = streamIndex < 0 ? undefined : format.streams[streamIndex]
    if (stream === undefined || (stream.disposition & AV_DISPOSITION_ATTACHED_PIC) !== 0) {
      throw videoError('VIDEO_NO_STREAM', path, 'has no video stream')
    }
    requireSaneSize(path, stream.codecpar, maxPixels)
    for (const other of format.streams) if (other.index !== streamIndex) other.discard = AVDISCARD_ALL
    const matrix = stream.codecpar.getCodedSideData(AV_PKT_DATA_DISPLAYMATRIX)
    const orientation = matrix === null ? upright : orientationFromMatrix(matrix)
    const coded = { width: stream.codecpar.width, height: stream.codecpar.height }
    return {
      format,
      stream,
      streamIndex,
      timeBase: stream.timeBase.num / stream.timeBase.den,
      coded,
      orientation,
      info: describe(path, bytes, format, stream, orientation),
    }
  } catch (error) {
    format.closeInputSync()
    throw error
  }
}

function requireSaneSize(path: string, size: Size, maxPixels: number): void {
  if (size.width * size.height > maxPixels) {
    throw videoError(
      'VIDEO_TOO_LARGE',
      path,
      `declares pictures of ${size.width}x${size.height}, more than the limit of ${maxPixels} pixels`,
    )
  }
}

function describe(path: string, bytes: number, format: FormatContext, stream: Stream, o: Orientation): VideoInfo {
  const parameters = stream.codecpar
  const rate = stream.avgFrameRate
  // 2^-63 stands for "not known"; negative durations come from damaged headers.
  const own = Number(stream.duration) * stream.timeBase.toDouble()
  const whole = Number(format.duration) / 1e6
  const duration = own > 0 ? own : Math.max(whole, 0)
  return {
    path,
    ...displaySize({ width: parameters.width, height: parameters.height }, o),
    container: format.iformat?.name ?? 'unknown',
    codec: avGetCodecName(parameters.codecId) ?? 'unknown',
    pixelFormat: avGetPixFmtName(parameters.format as AVPixelFormat) ?? 'unknown',
    fps: rate.num > 0 && rate.den > 0 ? rate.num / rate.den : 0,
    duration: Number.isFinite(duration) ? duration : 0,
    ...describeOrientation(o),
    bytes,
  }
}

/** A codec context for the stream, single-threaded: there is one decoding process per core already. */
export function openCodec(input: Input, maxPixels: number): CodecContext {
  const { path, codec: name } = input.info
  const codec = Codec.findDecoder(input.stream.codecpar.codecId)
  if (codec === null) throw videoError('VIDEO_NO_DECODER', path, `no decoder for codec ${name}`)
  const context = new CodecContext()
  context.allocContext3(codec)
  try {
    context.parametersToContext(input.stream.codecpar)
    context.pktTimebase = input.stream.timeBase
    context.threadCount = 1
    context.setOption('max_pixels', maxPixels)
    const opened = context.open2Sync(codec)
    if (opened < 0)
      throw videoError('VIDEO_NO_DECODER', path, `the ${name} decoder refused the stream (${reason(opened)})`)
    return context
  } catch (error) {
    context.freeContext()
    throw error
  }
}
