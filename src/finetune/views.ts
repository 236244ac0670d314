import { z } from 'zod'
import { invalidArgument } from '../core/errors.ts'
import type { ClipSampling, CropChoice } from '../video/index.ts'

/** Which frames of a video a classifier was trained on, and so should be tested on. */
export const testSamplingSchema = z.object({
  /** `dense`: every `stride`-th frame (Kinetics); `segments`: spread over the whole video (Something-Something). */
  kind: z.enum(['dense', 'segments']),
  stride: z.int().min(1),
  /** Sample by time at this rate instead of by frame index. */
  fps: z.number().positive().nullable(),
})
export type TestSampling = z.output<typeof testSamplingSchema>

/** Samplings of the `count` temporal views of a test (VideoMAE: 5 on Kinetics, 2 on Something-Something). */
export function temporalViews(sampling: TestSampling, frames: number, count: number): ClipSampling[] {
  if (!Number.isInteger(count) || count < 1) throw invalidArgument('clips', 'a positive integer', count)
  const { kind, stride } = sampling
  const fps = sampling.fps ?? undefined
  return Array.from({ length: count }, (_, view) =>
    kind === 'dense'
      ? { kind: 'dense-view', frames, stride, fps, view, views: count }
      : { kind: 'segment-view', frames, fps, view, views: count },
  )
}

/** The `count` spatial views: the centre, or that many along the long side. */
export function spatialViews(count: number): CropChoice[] {
  if (!Number.isInteger(count) || count < 1) throw invalidArgument('crops', 'a positive integer', count)
  if (count === 1) return [{ kind: 'center' }]
  return Array.from({ length: count }, (_, index) => ({ kind: 'along', index, count }))
}

/** The random clip of a training sample. */
export function trainingSampling(sampling: TestSampling, frames: number): ClipSampling {
  const fps = sampling.fps ?? undefined
  return sampling.kind === 'dense'
    ? { kind: 'dense', frames, stride: sampling.stride, fps }
    : { kind: 'segments', frames, fps }
}
