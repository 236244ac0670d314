import fc from 'fast-check'
import { expect, test } from 'vitest'
import { VideoMaeError } from '../core/errors.ts'
import { createTimeline } from './timeline.ts'

const path = 'a.mp4'
const even = (n: number, fps: number): Float64Array => Float64Array.from({ length: n }, (_, i) => i / fps)
const frames = (t: { length: number; frameAt(p: number): number }): number[] =>
  Array.from({ length: t.length }, (_, p) => t.frameAt(p))

test('by index a position is a frame; start and end in seconds cut it', () => {
  expect(frames(createTimeline(even(5, 10), { path }))).toEqual([0, 1, 2, 3, 4])
  expect(frames(createTimeline(even(50, 10), { path, start: 1, end: 1.5 }))).toEqual([10, 11, 12, 13, 14])
  expect(createTimeline(even(50, 10), { path, start: 1.04, end: 1.5 }).frameAt(0)).toBe(10)
})

test('by time a position is the frame on screen then', () => {
  expect(frames(createTimeline(even(6, 30), { path }, 15))).toEqual([0, 2, 4])
  expect(frames(createTimeline(even(3, 10), { path }, 20))).toEqual([0, 0, 1, 1, 2, 2])
  // Frames at 0, 0.1, 0.5 s (gap), 0.6 s: at ten positions a second the second frame stays on screen through the gap.
  expect(frames(createTimeline(Float64Array.of(0, 0.1, 0.5, 0.6), { path }, 10))).toEqual([0, 1, 1, 1, 1, 2, 3])
  expect(frames(createTimeline(even(30, 30), { path, start: 0.5, end: 0.8 }, 10))).toEqual([15, 18, 21])
})

test('the same frame rate by time is the same as by index', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 400 }),
      fc.constantFrom(12, 15, 24000 / 1001, 25, 30000 / 1001, 50),
      (n, fps) => {
        const times = even(n, fps).map((t) => Math.round(t * 90000) / 90000)
        expect(frames(createTimeline(times, { path }, fps))).toEqual(Array.from({ length: n }, (_, i) => i))
      },
    ),
    { seed: 20261122, numRuns: 200 },
  )
})

test('an empty part and an empty file are errors that name the file', () => {
  const code = (make: () => unknown): string => {
    try {
      make()
    } catch (error) {
      if (error instanceof VideoMaeError && error.message.startsWith(path)) return error.code
    }
    return 'none'
  }
  expect(code(() => createTimeline(even(0, 25), { path }))).toBe('VIDEO_NO_FRAMES')
  expect(code(() => createTimeline(even(25, 25), { path, start: 3 }))).toBe('VIDEO_PART_EMPTY')
  expect(code(() => createTimeline(even(25, 25), { path, start: 3, end: 4 }, 10))).toBe('VIDEO_PART_EMPTY')
})
