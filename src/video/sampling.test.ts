/** Oracle: the rules of the reference implementation, worked by hand or written a second time in their original shape. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RandomStream } from '../core/random.ts'
import { denseClip, denseView, sampleClip, segmentClip, segmentView, stridedClip } from './sampling.ts'

const seeded = { seed: 20261122, numRuns: 300 }
const random = (key: number): RandomStream => new RandomStream(key, 'test')

/** A stream whose integers are all the highest or lowest possible. */
const extreme = (highest: boolean): RandomStream => {
  const stream = random(0)
  stream.integer = (n) => (highest ? n - 1 : 0)
  return stream
}

describe('strided', () => {
  test('start + stride * i with the start in [0, length - span], both ends possible', () => {
    expect(stridedClip(300, 16, 4, extreme(false))).toEqual(Array.from({ length: 16 }, (_, i) => 4 * i))
    expect(stridedClip(300, 16, 4, extreme(true))).toEqual(Array.from({ length: 16 }, (_, i) => 236 + 4 * i))
    expect(stridedClip(64, 16, 4, random(1))[0]).toBe(0)
  })

  test('a short video moves on while the one-based position plus stride stays below its length, then repeats', () => {
    // The reference's loop, with its one-based offset.
    const reference = (length: number, frames: number, stride: number): number[] => {
      let offset = 1
      const clip: number[] = []
      for (let i = 0; i < frames; i++) {
        clip.push(offset - 1)
        if (offset + stride < length) offset += stride
      }
      return clip
    }
    expect(stridedClip(20, 16, 4, random(0))).toEqual([0, 4, 8, 12, 16, ...new Array<number>(11).fill(16)])
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 63 }), fc.integer({ min: 2, max: 8 }), (length, stride) => {
        fc.pre(length < 16 * stride)
        expect(stridedClip(length, 16, stride, random(length))).toEqual(reference(length, 16, stride))
      }),
      seeded,
    )
  })
})

describe('dense', () => {
  test('16 points over a span of 64 are 64 / 15 apart', () => {
    const clip = denseClip(300, 16, 4, extreme(false))
    expect(clip).toEqual([0, 4, 8, 12, 17, 21, 25, 29, 34, 38, 42, 46, 51, 55, 59, 63])
    expect(denseClip(300, 16, 4, extreme(true))[0]).toBe(299 - 64)
  })

  test('a short video: floor(n / rate) points over the whole, then its last frame', () => {
    // linspace(0, 20, 5) = 0 5 10 15 20, then n, clipped to n - 1
    expect(denseClip(20, 16, 4, random(0))).toEqual([0, 5, 10, 15, ...new Array<number>(12).fill(19)])
    expect(denseClip(3, 16, 4, random(0))).toEqual(new Array<number>(16).fill(2))
  })

  test('views: every stride-th frame, starts spread from the first to the last possible', () => {
    expect(denseView(300, 16, 4, 0, 5)[0]).toBe(0)
    // 75 strided frames, 59 spare: starts trunc(k * 14.75)
    expect([0, 1, 2, 3, 4].map((k) => denseView(300, 16, 4, k, 5)[0] / 4)).toEqual([0, 14, 29, 44, 59])
    expect(denseView(300, 16, 4, 4, 5).at(-1)).toBe(296)
    expect(denseView(10, 16, 4, 2, 5)).toEqual([0, 4, ...new Array<number>(14).fill(8)])
    expect(denseView(300, 16, 4, 0, 1)[0]).toBe(29 * 4)
  })
})

describe('segments', () => {
  test('one frame from each of the equal segments', () => {
    expect(segmentClip(64, 16, extreme(true))).toEqual(Array.from({ length: 16 }, (_, i) => 4 * i + 3))
    expect(segmentClip(64, 16, undefined)).toEqual(Array.from({ length: 16 }, (_, i) => 4 * i + 2))
  })

  test('two views are the reference pair: every second of the sorted trunc(tick i) and trunc(tick / 2 + tick i)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 16, max: 500 }), fc.constantFrom(0, 1), (length, view) => {
        const tick = length / 16
        const both = Array.from({ length: 16 }, (_, i) => [
          Math.trunc(tick / 2 + tick * i),
          Math.trunc(tick * i),
        ]).flat()
        both.sort((a, b) => a - b)
        expect(segmentView(length, 16, view, 2)).toEqual(both.filter((_, i) => i % 2 === view))
      }),
      seeded,
    )
  })
})

test('every sampling gives as many positions as asked, inside the video, ascending', () => {
  const common = { frames: fc.integer({ min: 1, max: 32 }), stride: fc.integer({ min: 1, max: 12 }) }
  const start = fc.constantFrom('random' as const, 'center' as const)
  const views = fc
    .integer({ min: 1, max: 6 })
    .chain((n) => fc.record({ views: fc.constant(n), view: fc.nat({ max: n - 1 }) }))
  const sampling = fc.oneof(
    fc.record({ kind: fc.constant('strided' as const), ...common, start }),
    fc.record({ kind: fc.constant('dense' as const), ...common, start }),
    fc.record({ kind: fc.constant('segments' as const), frames: common.frames, start }),
    fc
      .tuple(fc.record({ kind: fc.constant('dense-view' as const), ...common }), views)
      .map(([a, b]) => ({ ...a, ...b })),
    fc
      .tuple(fc.record({ kind: fc.constant('segment-view' as const), frames: common.frames }), views)
      .map(([a, b]) => ({ ...a, ...b })),
    fc.record({ kind: fc.constant('spread' as const), frames: common.frames }),
  )
  fc.assert(
    fc.property(sampling, fc.integer({ min: 1, max: 400 }), fc.nat(), (choice, length, key) => {
      const clip = sampleClip(choice, length, random(key))
      expect(clip).toHaveLength(choice.frames)
      for (const [i, position] of clip.entries()) {
        expect(Number.isInteger(position) && position >= 0 && position < length).toBe(true)
        if (i > 0) expect(position).toBeGreaterThanOrEqual(clip[i - 1])
      }
      expect(sampleClip(choice, length, random(key))).toEqual(clip)
    }),
    seeded,
  )
})
