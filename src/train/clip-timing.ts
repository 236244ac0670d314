/** How far apart the neighboring frames of a clip are: the one file that knows what a stride and a rate mean together. */
import { z } from 'zod'
import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { countSchema } from './count-schema.ts'

export interface ClipTiming {
  /** Frames of the file from one frame of the clip to the next; 1 wherever there is a rate, which replaces it. */
  readonly stride: number
  /** Frames of the clip per second, by time; null: by frame index. */
  readonly fps: number | null
}

/** What someone asks for; null or absent: nothing. */
export interface AskedTiming {
  readonly stride?: number | null
  readonly fps?: number | null
}

/** Frames from one frame of a clip to the next. With a larger stride than this, no video would have a second frame of the clip. */
export const strideSchema = countSchema('stride')

/**
 * Frames of a clip per second. Each second of a video gets as many positions, so a rate without an upper bound takes any time and
 * memory.
 */
export const rateSchema = z.number().min(0.001).max(1000)

/** VideoMAE's on Kinetics. */
export const defaultTiming: ClipTiming = { stride: 4, fps: null }

/** What is wrong with asking for both; null where nothing is. A stride of 1 next to a rate says the same once more. */
export function timingConflict({
  stride,
  fps,
}: AskedTiming): { readonly message: string; readonly hint: string } | null {
  if (typeof stride !== 'number' || stride === 1 || typeof fps !== 'number') return null
  return {
    message: `Expected either a stride or a rate (fps), but received both: ${stride} and ${fps}`,
    hint: `Set the stride to null to sample by time, or leave the rate out to count frames. Earlier versions applied both: that is now fps ${Number((fps / stride).toPrecision(4))} now.`,
  }
}

/**
 * What is asked for, else what a clip has anyway. A stride alone counts frames, whatever `otherwise` says.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` where a stride and a rate are asked for, or one that is out of bounds
 */
export function clipTiming(asked: AskedTiming, otherwise: ClipTiming): ClipTiming {
  const { stride, fps } = asked
  const conflict = timingConflict(asked)
  if (conflict !== null)
    throw new VideoMaeError(`${conflict.message}.`, { code: 'INVALID_ARGUMENT', exit: 'usage', hint: conflict.hint })
  if (typeof fps === 'number' && !rateSchema.safeParse(fps).success)
    throw invalidArgument('fps', 'from 0.001 to 1000 frames per second', fps)
  if (typeof stride === 'number' && !strideSchema.safeParse(stride).success)
    throw invalidArgument('stride', 'a whole number of frames from 1 to 10000', stride)
  if (typeof fps === 'number') return { stride: 1, fps }
  return typeof stride === 'number' ? { stride, fps: null } : { stride: otherwise.stride, fps: otherwise.fps }
}

/**
 * The timing that a file tells. Earlier versions took every `stride`-th of `fps` positions a second, so that is what a model
 * with both was trained on, and what a clip for it must look like.
 */
export function storedTiming({ stride, fps }: ClipTiming): ClipTiming {
  return fps === null ? { stride, fps } : { stride: 1, fps: fps / stride }
}

/** The timing as `ClipSampling` takes it. */
export function positionsOf({ stride, fps }: ClipTiming): { readonly stride: number; readonly fps?: number } {
  return fps === null ? { stride } : { stride: 1, fps }
}
