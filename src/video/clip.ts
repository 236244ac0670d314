import { VideoMaeError } from '../core/errors.ts'
import type { FrameSize } from '../core/frame-size.ts'
import { RandomStream } from '../core/random.ts'
import { digestFile } from '../format/file-digest.ts'
import type { FileState } from '../format/regular-file.ts'
import { augmentClip, type ClipAugmentation } from './augment/index.ts'
import { type CropChoice, chooseCrop } from './crop.ts'
import { type ClipSampling, sampleClip } from './sampling.ts'
import { createTimeline } from './timeline.ts'
import type { Decoder, FrameTimes, Geometry, OpenVideo, VideoEntry, VideoInfo } from './types.ts'
import { videoError } from './video-errors.ts'

/**
 * Everything that decides the bytes of one sample's clips. Plain data: it travels to a decoding process, and the same request gives the same bytes in any process at any time.
 */
export interface ClipRequest {
  /** The video, or the part of one. */
  readonly entry: VideoEntry
  /** Which frames make each clip. */
  readonly sampling: ClipSampling
  /** One clip per crop, all of the same frames. */
  readonly crops: readonly CropChoice[]
  /** Height and width of a frame, pixels. */
  readonly output: FrameSize
  /** What is done to the pixels of each crop. Default: nothing. */
  readonly augment?: ClipAugmentation
  /** Key of the random streams: ('clip') for the frames, ('crop', k) and ('augment', k) for crop k are appended. */
  readonly key: readonly (number | string)[]
}

/** How one clip was made. */
export interface ClipView {
  /** Index of each frame in the file, display order. */
  readonly frames: readonly number[]
  /** Seconds of the clip's first frame after the file's first frame. */
  readonly startSeconds: number
  /** How each frame was cut and scaled. */
  readonly geometry: Geometry
}

/** What is known of the clips of one video besides their pixels. */
export interface ClipResult {
  /** How each clip was made. */
  readonly views: readonly ClipView[]
  /** Frames the file has. */
  readonly frameCount: number
  /** Positions of the timeline that the clip was sampled from: fewer than frames for a part, or at a lower rate. */
  readonly length: number
  /** What is known of the file. */
  readonly info: VideoInfo
  /** State of the file that was decoded; absent where there is none. */
  readonly state?: FileState
  /** Frames that came out of the codec. */
  readonly decoded: number
  /** Frames of these that are in a clip. */
  readonly used: number
}

/** Bytes of all clips of a request: uint8 [crop][frame][height][width][3]. */
export function clipBytes(request: Pick<ClipRequest, 'crops' | 'sampling' | 'output'>): number {
  return request.crops.length * request.sampling.frames * request.output.width * request.output.height * 3
}

/**
 * Decodes the clips of one request into `out`.
 *
 * The frames are chosen from the times the container tells. Where the codec then fails to yield one of them (damaged file), all frames are decoded and
 * counted and the choice is made anew from those, with the same random stream: still a function of file and request alone.
 *
 * @throws VideoMaeError naming the file; `VIDEO_CHANGED` where it was written to meanwhile, or since it was digested
 */
export async function readClip(decoder: Decoder, request: ClipRequest, out: Uint8Array): Promise<ClipResult> {
  const video = await decoder.open(request.entry.path)
  try {
    await requireContent(request.entry, video)
    const result = await decodeChosen(video, request, out)
    return { ...result, state: video.file?.state }
  } finally {
    try {
      // Also where it failed: half of one file and half of another is neither.
      video.file?.requireUnchanged()
    } finally {
      video.close()
    }
  }
}

/** Where the file was touched since it was digested, it is digested again: only other bytes are another content. */
export async function requireContent(
  { path, content }: Pick<VideoEntry, 'path' | 'content'>,
  { file }: OpenVideo,
): Promise<void> {
  if (content === undefined || file === undefined || content.state === file.state) return
  const now = await digestFile(path)
  if (now.digest !== content.digest || now.state !== file.state)
    throw videoError('VIDEO_CHANGED', path, 'the content of the file changed since it was first read')
}

async function decodeChosen(video: OpenVideo, request: ClipRequest, out: Uint8Array): Promise<ClipResult> {
  try {
    return await decodeRequest(video, request, await video.frameTimes(), out)
  } catch (error) {
    if (!(error instanceof VideoMaeError && error.code === 'VIDEO_FRAMES_MISSING')) throw error
    return await decodeRequest(video, request, await video.decodedFrameTimes(), out)
  }
}

async function decodeRequest(
  video: OpenVideo,
  request: ClipRequest,
  index: FrameTimes,
  out: Uint8Array,
): Promise<ClipResult> {
  const { entry, sampling, crops, output, key } = request
  const timeline = createTimeline(index.times, entry, sampling.fps)
  const positions = sampleClip(sampling, timeline.length, new RandomStream(...key, 'clip'))
  const frames = positions.map((position) => timeline.frameAt(position))
  const picture = { width: video.info.width, height: video.info.height }
  const geometries = crops.map((crop, k) => chooseCrop(crop, picture, output, new RandomStream(...key, 'crop', k)))
  const { decoded, used } = await video.decode(frames, geometries, output, out)
  if (request.augment !== undefined) {
    const bytes = frames.length * output.width * output.height * 3
    for (const k of crops.keys()) {
      const clip = out.subarray(k * bytes, (k + 1) * bytes)
      augmentClip(clip, output.width, output.height, request.augment, new RandomStream(...key, 'augment', k))
    }
  }
  const startSeconds = index.times[frames[0]]
  const views = geometries.map((geometry) => ({ frames, startSeconds, geometry }))
  return { views, frameCount: index.times.length, length: timeline.length, info: video.info, decoded, used }
}
