import { requireCount } from '../core/counts.ts'
import { invalidArgument } from '../core/errors.ts'
import type { RandomStream } from '../core/random.ts'

/**
 * Which frames make a clip. All functions are pure: `length` is the number of positions of a timeline, the result `frames` positions in it.
 * The numerics are the reference implementation's (VideoMAE, Tong et al. 2022; see docs/video.md), except where a line says otherwise.
 */
export type ClipSampling =
  /** Pretraining: every `stride`-th frame from a uniform start. */
  | {
      readonly kind: 'strided'
      readonly frames: number
      readonly stride: number
      readonly fps?: number
      readonly start?: 'random' | 'center'
    }
  /** Fine-tuning on Kinetics, UCF101, HMDB51: `frames` points spread over a span of `frames * stride`. */
  | {
      readonly kind: 'dense'
      readonly frames: number
      readonly stride: number
      readonly fps?: number
      readonly start?: 'random' | 'center'
    }
  /** Fine-tuning on Something-Something: one frame out of each of `frames` equal segments. */
  | { readonly kind: 'segments'; readonly frames: number; readonly fps?: number; readonly start?: 'random' | 'center' }
  /** Test view `view` of `views` for dense sampling. */
  | {
      readonly kind: 'dense-view'
      readonly frames: number
      readonly stride: number
      readonly fps?: number
      readonly view: number
      readonly views: number
    }
  /** Test view `view` of `views` for segment sampling. */
  | {
      readonly kind: 'segment-view'
      readonly frames: number
      readonly fps?: number
      readonly view: number
      readonly views: number
    }
  /** First, last and evenly between. */
  | { readonly kind: 'spread'; readonly frames: number; readonly fps?: number }
  /** The window of `frames` frames, `stride` apart, that begins at a position; beyond the end the last frame repeats. */
  | {
      readonly kind: 'window'
      readonly frames: number
      readonly stride: number
      readonly fps?: number
      readonly start: number
    }

/**
 * Positions of one clip. `random` is used only by the kinds with a random start.
 *
 * @param length positions that the video has
 * @returns [frames] positions from 0 to `length` - 1, in order of time; a video that is too short repeats some
 * @throws VideoMaeError `INVALID_ARGUMENT` for frames or a stride that are no positive integers
 */
export function sampleClip(sampling: ClipSampling, length: number, random: RandomStream): number[] {
  const { kind, frames } = sampling
  if (!Number.isInteger(frames) || frames < 1) throw invalidArgument('frames', 'a positive integer', frames)
  if ('stride' in sampling && (!Number.isInteger(sampling.stride) || sampling.stride < 1)) {
    throw invalidArgument('stride', 'a positive integer', sampling.stride)
  }
  switch (kind) {
    case 'strided':
      return stridedClip(length, frames, sampling.stride, sampling.start === 'center' ? undefined : random)
    case 'dense':
      return denseClip(length, frames, sampling.stride, sampling.start === 'center' ? undefined : random)
    case 'segments':
      return segmentClip(length, frames, sampling.start === 'center' ? undefined : random)
    case 'dense-view':
      return denseView(length, frames, sampling.stride, sampling.view, sampling.views)
    case 'spread':
      return Array.from({ length: frames }, (_, i) => Math.trunc(linspace(0, length - 1, frames, i)))
    case 'window':
      return Array.from({ length: frames }, (_, i) => Math.min(sampling.start + i * sampling.stride, length - 1))
    case 'segment-view':
      return segmentView(length, frames, sampling.view, sampling.views)
  }
}

/**
 * Frames start + stride * i, start uniform in [0, length - frames * stride] (both ends). A video shorter than the span starts at 0; there the position moves on
 * by `stride` only while position + 1 + stride < length and then repeats. Without `random`: the middle start.
 */
export function stridedClip(
  length: number,
  frames: number,
  stride: number,
  random: RandomStream | undefined,
): number[] {
  const spare = length - frames * stride
  const start = spare <= 0 ? 0 : random === undefined ? spare >> 1 : random.integer(spare + 1)
  const clip: number[] = []
  let position = start
  for (let i = 0; i < frames; i++) {
    clip.push(Math.min(position, length - 1))
    if (spare >= 0 || position + 1 + stride < length) position += stride
  }
  return clip
}

/**
 * `frames` points from linspace(start, end, frames), truncated, where end is uniform in [span, length) and start = end - span, span = frames * stride;
 * so they are span / (frames - 1) apart. A video of at most `span` frames: floor(length / stride) points over the whole of it, then its last frame.
 * Without `random` (validation): the middle window, as VideoMAE V2 does.
 */
export function denseClip(length: number, frames: number, stride: number, random: RandomStream | undefined): number[] {
  const span = frames * stride
  if (length <= span) {
    const points = Math.min(frames, Math.floor(length / stride))
    return Array.from({ length: frames }, (_, i) => {
      const point = i < points ? Math.trunc(linspace(0, length, points, i)) : length
      return Math.min(Math.max(point, 0), length - 1)
    })
  }
  const end = random === undefined ? span + ((length - span) >> 1) : span + random.integer(length - span)
  const start = end - span
  return Array.from({ length: frames }, (_, i) =>
    Math.trunc(Math.min(Math.max(linspace(start, end, frames, i), start), end - 1)),
  )
}

/** i * segment + uniform [0, segment), segment = floor(length / frames); without `random` the segment's middle. Short videos: evenly spread, repeating frames. */
export function segmentClip(length: number, frames: number, random: RandomStream | undefined): number[] {
  const segment = Math.floor(length / frames)
  if (segment < 1) return Array.from({ length: frames }, (_, i) => Math.floor((i * length) / frames))
  return Array.from(
    { length: frames },
    (_, i) => i * segment + (random === undefined ? segment >> 1 : random.integer(segment)),
  )
}

/**
 * Every `stride`-th frame of the whole video (the last one repeated up to `frames`); view k takes `frames` of them from trunc(k * (n - frames) / (views - 1)).
 * One view: the middle (the reference divides by zero there).
 */
export function denseView(length: number, frames: number, stride: number, view: number, views: number): number[] {
  requireView(view, views)
  const strided = Array.from({ length: Math.ceil(length / stride) }, (_, i) => i * stride)
  while (strided.length < frames) strided.push(strided[strided.length - 1])
  const spare = strided.length - frames
  const start = views === 1 ? spare >> 1 : Math.trunc(view * (spare / (views - 1)))
  return strided.slice(start, start + frames)
}

/**
 * Frame i of view k: trunc(k * tick / views + tick * i) with tick = length / frames, the views interleaved (VideoMAE V2's generalization; with two
 * views the reference's pair).
 */
export function segmentView(length: number, frames: number, view: number, views: number): number[] {
  requireView(view, views)
  const tick = length / frames
  return Array.from({ length: frames }, (_, i) => Math.min(length - 1, Math.trunc((view * tick) / views + tick * i)))
}

function requireView(view: number, views: number): void {
  requireCount('clips', views, 'views')
  if (!Number.isInteger(view) || view < 0 || view >= views)
    throw invalidArgument('view', `an integer in [0, ${views})`, view)
}

/** Element i of numpy's linspace(start, end, count). */
function linspace(start: number, end: number, count: number, i: number): number {
  if (count === 1) return start
  return i === count - 1 ? end : start + i * ((end - start) / (count - 1))
}
