import { VideoMaeError } from '../core/errors.ts'
import { requireContent } from './clip.ts'
import { machineReason } from './machine-errors.ts'
import { createTimeline } from './timeline.ts'
import type { Decoder, EncodeSettings, FrameTimes, OpenVideo, Size, VideoEntry, VideoInfo } from './types.ts'
import { encodingFailed, videoError } from './video-errors.ts'

/** Everything that decides the bytes of a prepared video. Plain data: it travels to a decoding process. */
export interface EncodeRequest {
  readonly kind: 'encode'
  /** The whole file is encoded, whatever part of it an entry names. */
  readonly entry: Pick<VideoEntry, 'path' | 'content'>
  /** File to write. */
  readonly file: string
  readonly settings: EncodeSettings
  /** Frames per second of the new file; default: frames and times of the source. */
  readonly fps?: number
}

/** A video as it was written. */
export interface EncodedVideo extends Size {
  readonly frames: number
  readonly bytes: number
  /** Of the source. */
  readonly info: VideoInfo
  /** Frames of the source that could be decoded. */
  readonly sourceFrames: number
}

/**
 * Decodes a video and encodes it again. Frames are those of the container; where one of them does not decode, those that do.
 *
 * @throws VideoMaeError naming the file; `ENCODER_MISSING`, `ENCODING_FAILED`
 */
export async function encodeVideo(decoder: Decoder, request: EncodeRequest): Promise<EncodedVideo> {
  const video = await decoder.open(request.entry.path)
  try {
    await requireContent(request.entry, video)
    const written = await encodeFrames(video, request)
    return { ...written, bytes: await readBack(decoder, request.file, written.frames) }
  } finally {
    try {
      video.file?.requireUnchanged()
    } finally {
      video.close()
    }
  }
}

/** A full disk may show only in what is missing. @returns bytes of the file */
async function readBack(decoder: Decoder, file: string, frames: number): Promise<number> {
  let found: number
  let bytes: number
  try {
    const written = await decoder.open(file)
    try {
      found = (await written.frameTimes()).times.length
      bytes = written.info.bytes
    } finally {
      written.close()
    }
  } catch (error) {
    throw notWhole(file, machineReason(error))
  }
  if (found !== frames) throw notWhole(file, `it has ${found} frames`)
  return bytes
}

function notWhole(file: string, found: string): VideoMaeError {
  return encodingFailed(`Expected ${file} to hold all frames that were encoded, but ${found}.`)
}

/** Two frames that are years apart must not become a file of all frames between them. Slides that are shown for minutes may. */
const mostFrames = (frames: number): number => 10_000 + 1000 * frames

type Written = Omit<EncodedVideo, 'bytes'>

async function encodeFrames(video: OpenVideo, request: EncodeRequest): Promise<Written> {
  try {
    return await encodeAt(video, request, await video.frameTimes())
  } catch (error) {
    if (!(error instanceof VideoMaeError && error.code === 'VIDEO_FRAMES_MISSING')) throw error
    return await encodeAt(video, request, await video.decodedFrameTimes())
  }
}

async function encodeAt(
  video: OpenVideo,
  { entry, file, settings, fps }: EncodeRequest,
  { times }: FrameTimes,
): Promise<Written> {
  if (video.encode === undefined) {
    throw new VideoMaeError('Expected a decoder that can also encode, but this one cannot.', {
      code: 'ENCODER_MISSING',
      exit: 'environment',
      hint: 'Use node-av, the default.',
    })
  }
  const timeline = createTimeline(times, { path: entry.path }, fps)
  if (fps !== undefined && timeline.length > mostFrames(times.length)) {
    throw videoError(
      'VIDEO_UNREADABLE',
      entry.path,
      `has ${times.length} frames, and a constant rate of ${fps} frames per second would make ${timeline.length} of them: its times are damaged, or the rate is too high`,
    )
  }
  const frames = Array.from({ length: timeline.length }, (_, position) => timeline.frameAt(position))
  const seconds = frames.map((frame, position) => (fps === undefined ? times[frame] - times[0] : position / fps))
  const size = await video.encode({ file, settings, frames, seconds, fps })
  return { ...size, frames: frames.length, info: video.info, sourceFrames: times.length }
}
