import { VideoMaeError } from '../core/errors.ts'

export type VideoErrorCode =
  | 'VIDEO_NOT_FOUND'
  | 'VIDEO_EMPTY'
  | 'VIDEO_UNREADABLE'
  | 'VIDEO_CONTAINER_REFUSED'
  | 'VIDEO_IS_PICTURE'
  | 'VIDEO_CHANGED'
  | 'VIDEO_NO_STREAM'
  | 'VIDEO_NO_DECODER'
  | 'VIDEO_TOO_LARGE'
  | 'VIDEO_NO_FRAMES'
  | 'VIDEO_FRAMES_MISSING'
  | 'VIDEO_PART_EMPTY'
  | 'VIDEO_TIMEOUT'
  | 'VIDEO_DECODER_CRASHED'
  | 'VIDEO_DECODER_KILLED'

const hints: Record<VideoErrorCode, string> = {
  VIDEO_NOT_FOUND: 'Check the path in the list or manifest.',
  VIDEO_EMPTY: 'Download or copy the file again.',
  VIDEO_UNREADABLE: 'Re-encode the file with `ffmpeg -i FILE out.mp4`, or remove it from the list.',
  VIDEO_CONTAINER_REFUSED:
    'Convert it to MP4 with `ffmpeg -i FILE out.mp4`, if you trust it and all files that it names, or remove it from the list.',
  VIDEO_IS_PICTURE:
    'Name a video. To make one from a folder of frames, use `ffmpeg -framerate 25 -pattern_type glob -i "FOLDER/*.jpg" out.mp4`.',
  VIDEO_CHANGED: 'Start again when no program writes to the videos any more.',
  VIDEO_NO_STREAM: 'Remove the file from the list: it has no video stream.',
  VIDEO_NO_DECODER: 'Re-encode the file to H.264, or try `--decoder ffmpeg`.',
  VIDEO_TOO_LARGE: 'Scale the file down, or raise the pixel limit if the size is right.',
  VIDEO_NO_FRAMES: 'Re-encode the file from its source, or remove it from the list.',
  VIDEO_FRAMES_MISSING: 'The file is damaged; re-encode it with `ffmpeg -err_detect ignore_err -i FILE out.mp4`.',
  VIDEO_PART_EMPTY: 'Check start and end (seconds) in the manifest.',
  VIDEO_TIMEOUT: 'Raise the timeout, or remove the file.',
  VIDEO_DECODER_CRASHED: 'Re-encode the file, or remove it.',
  VIDEO_DECODER_KILLED:
    'Another program ended it: the kernel because memory was short, a job limit, or a person. Lower --workers or free memory, then run the same command again.',
}

/**
 * Whether a failure says more about the machine or the moment than about the content of the file: the same file may well be decoded next time. Whoever
 * must not lose a good video (a certificate, a test set) has to end the run then, instead of leaving the video out.
 */
export function isTransientFailure(code: string): boolean {
  return transient.has(code)
}

const transient: ReadonlySet<string> = new Set<VideoErrorCode>([
  'VIDEO_TIMEOUT',
  'VIDEO_DECODER_CRASHED',
  'VIDEO_DECODER_KILLED',
  'VIDEO_CHANGED',
])

/** An error about one video file: the message names it, the code says what is wrong. */
export function videoError(code: VideoErrorCode, path: string, reason: string, cause?: unknown): VideoMaeError {
  return new VideoMaeError(`${escapedText(path)}: ${escapedText(reason)}`, {
    code,
    exit: 'data',
    hint: hints[code],
    cause,
  })
}

/** A file that could not be written whole. @param expected what should have been */
export function encodingFailed(expected: string): VideoMaeError {
  return new VideoMaeError(expected, {
    code: 'ENCODING_FAILED',
    exit: 'environment',
    hint: 'Check for free space where the files are written, then run the same command again: it continues where it stopped.',
  })
}

/** Text from a file or its name, on one line and without what a terminal would obey: such characters become `\\x1b`. */
export function escapedText(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    const code = character.codePointAt(0)!
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`
  })
}
