import { z } from 'zod'
import { requireCount } from '../core/counts.ts'
import { type ClipTiming, positionsOf, rateSchema, storedTiming, strideSchema } from '../train/clip-timing.ts'
import type { CropChoice } from '../video/crop.ts'
import type { ClipSampling } from '../video/sampling.ts'

/** Which frames of a video a classifier was trained on, and so should be tested on. */
export interface TestSampling extends ClipTiming {
  /** `dense`: as far apart as the timing says (Kinetics); `segments`: spread over the whole video (Something-Something). */
  readonly kind: 'dense' | 'segments'
}

/** The sampling that a file tells. */
export const testSamplingSchema = z
  .strictObject({
    kind: z.enum(['dense', 'segments']),
    stride: strideSchema,
    fps: rateSchema.nullable(),
  })
  .transform(({ kind, stride, fps }): TestSampling => {
    // Segments are anywhere on the time line: no stride ever counted there.
    const applied = kind === 'segments' && fps !== null ? 1 : stride
    return { kind, ...storedTiming({ stride: applied, fps }) }
  })

/**
 * Samplings of the `count` temporal views of a test (VideoMAE: 5 on Kinetics, 2 on Something-Something).
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function temporalViews(sampling: TestSampling, frames: number, count: number): ClipSampling[] {
  requireCount('clips', count)
  const { stride, fps } = positionsOf(sampling)
  return Array.from({ length: count }, (_, view) =>
    sampling.kind === 'dense'
      ? { kind: 'dense-view', frames, stride, fps, view, views: count }
      : { kind: 'segment-view', frames, fps, view, views: count },
  )
}

/**
 * The `count` spatial views: the center, or that many along the long side.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function spatialViews(count: number): CropChoice[] {
  requireCount('crops', count)
  if (count === 1) return [{ kind: 'center' }]
  return Array.from({ length: count }, (_, index) => ({ kind: 'along', index, count }))
}

/** The random clip of a training sample. */
export function trainingSampling(sampling: TestSampling, frames: number): ClipSampling {
  const { stride, fps } = positionsOf(sampling)
  return sampling.kind === 'dense' ? { kind: 'dense', frames, stride, fps } : { kind: 'segments', frames, fps }
}
