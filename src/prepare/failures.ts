/** What keeps a video from being prepared, and what ends everything. */
import { VideoMaeError } from '../core/errors.ts'
import type { Failure } from '../video/protocol.ts'

/** Why a video is left out. */
export interface LeftOutReason {
  readonly code: string
  /** One line. */
  readonly reason: string
}

/** Failures of encoding that are no matter of the video: the next one would fail, too. */
const ofTheMachine: ReadonlySet<string> = new Set(['ENCODER_MISSING', 'ENCODING_FAILED'])

/** The error that a failure of encoding ends everything with; null where it is a matter of the video. */
export function endingError({ code, reason, hint }: Failure): VideoMaeError | null {
  return ofTheMachine.has(code) ? new VideoMaeError(reason, { code, exit: 'environment', hint }) : null
}

/** A video that could not be encoded. */
export class FailedVideo extends Error {
  readonly failure: LeftOutReason

  constructor(failure: LeftOutReason) {
    super(failure.reason)
    this.failure = failure
  }
}

/**
 * Why a video is left out.
 *
 * @throws what is no matter of the video
 */
export function reasonOf(error: unknown, source: string): LeftOutReason {
  if (error instanceof FailedVideo) return error.failure
  const { code, path, message } = error as NodeJS.ErrnoException
  // A source that cannot be read; what is written is elsewhere.
  if (error instanceof VideoMaeError && error.code === 'FILE_NOT_REGULAR') return { code: error.code, reason: message }
  const gone = code === 'ENOENT'
  if (path === source && (gone || code === 'EACCES' || code === 'EPERM'))
    return { code: gone ? 'VIDEO_NOT_FOUND' : 'VIDEO_UNREADABLE', reason: message }
  throw error
}
