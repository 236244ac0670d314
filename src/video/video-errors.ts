import { statSync } from 'node:fs'
import { VideoMaeError } from '../core/errors.ts'

export type VideoErrorCode =
  | 'VIDEO_NOT_FOUND'
  | 'VIDEO_EMPTY'
  | 'VIDEO_UNREADABLE'
  | 'VIDEO_NO_STREAM'
  | 'VIDEO_NO_DECODER'
  | 'VIDEO_TOO_LARGE'
  | 'VIDEO_NO_FRAMES'
  | 'VIDEO_FRAMES_MISSING'
  | 'VIDEO_PART_EMPTY'
  | 'VIDEO_TIMEOUT'
  | 'VIDEO_DECODER_CRASHED'

const hints: Record<VideoErrorCode, string> = {
  VIDEO_NOT_FOUND: 'Check the path in the list or manifest.',
  VIDEO_EMPTY: 'Download or copy the file again.',
  VIDEO_UNREADABLE: 'Re-encode the file with `ffmpeg -i FILE out.mp4`, or remove it from the list.',
  VIDEO_NO_STREAM: 'Remove the file from the list: it holds no moving picture.',
  VIDEO_NO_DECODER: 'Re-encode the file to H.264, or try `--decoder ffmpeg`.',
  VIDEO_TOO_LARGE: 'Scale the file down, or raise the pixel limit if the size is true.',
  VIDEO_NO_FRAMES: 'Re-encode the file from its source, or remove it from the list.',
  VIDEO_FRAMES_MISSING: 'The file is damaged; re-encode it with `ffmpeg -err_detect ignore_err -i FILE out.mp4`.',
  VIDEO_PART_EMPTY: 'Check start and end (seconds) in the manifest.',
  VIDEO_TIMEOUT: 'Raise the timeout, or remove the file.',
  VIDEO_DECODER_CRASHED: 'Re-encode the file, or remove it.',
}

/** An error about one video file: the message names it, the code says what is wrong. */
export function videoError(code: VideoErrorCode, path: string, reason: string, cause?: unknown): VideoMaeError {
  return new VideoMaeError(`${path}: ${reason}`, { code, exit: 'data', hint: hints[code], cause })
}

/** Size in bytes of a file that can hold a video. */
export function requireVideoFile(path: string): number {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) throw videoError('VIDEO_NOT_FOUND', path, 'no such file')
  if (!stats.isFile()) throw videoError('VIDEO_NOT_FOUND', path, 'expected a file, found something else')
  if (stats.size === 0) throw videoError('VIDEO_EMPTY', path, 'the file has 0 bytes')
  return stats.size
}
