import { describe, expect, test } from 'vitest'
import { requireWindowSeconds, windowsOf, withWindows } from './windows.ts'

const spans = (duration: number, seconds: number, part: { start?: number; end?: number } = {}) =>
  windowsOf({ path: 'a.mp4', id: 'a', ...part }, duration, seconds).map(({ start, end }) => [start, end])

describe('windows of a video', () => {
  test.each([
    [
      'that they divide',
      6,
      2,
      [
        [0, 2],
        [2, 4],
        [4, 6],
      ],
    ],
    [
      'with a rest of half a window or more',
      5,
      2,
      [
        [0, 2],
        [2, 4],
        [4, 5],
      ],
    ],
    [
      'with a shorter rest, which belongs to the last one',
      4.9,
      2,
      [
        [0, 2],
        [2, 4.9],
      ],
    ],
    ['that is shorter than one', 0.5, 2, [[0, 0.5]]],
    [
      'without rounding errors',
      0.9,
      0.3,
      [
        [0, 0.3],
        [0.3, 0.6],
        [0.6, 0.9],
      ],
    ],
  ])('%s', (_, duration, seconds, expected) => {
    expect(spans(duration, seconds)).toEqual(expected)
  })

  test('cover a part that a list names', () => {
    expect(spans(4, 2, { start: 10, end: 14 })).toEqual([
      [10, 12],
      [12, 14],
    ])
    expect(spans(3.996, 2, { start: 10 })).toEqual([
      [10, 12],
      [12, 13.996],
    ])
  })

  test('are never so many that their length must be a mistake', () => {
    const code = 'INVALID_ARGUMENT'
    expect(() => spans(36_000, 0.1)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining('a.mp4') }),
    )
    for (const seconds of [0, -1, 0.01, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => requireWindowSeconds(seconds), String(seconds)).toThrow(expect.objectContaining({ code }))
    expect(() => requireWindowSeconds(0.04)).not.toThrow()
  })

  test('stand where their video stood, and so does a failure', () => {
    const entries = ['a', 'b', 'c'].map((id) => ({ path: `${id}.mp4`, id }))
    const failure = { ok: false, code: 'VIDEO_UNREADABLE', reason: 'no' } as const
    const known = (seconds: number) => ({ ok: true, seconds }) as const
    const { entries: found, failures } = withWindows(entries, [known(4), failure, known(1)], 2)
    expect(found.map(({ id, start }) => [id, start])).toEqual([
      ['a', 0],
      ['a', 2],
      ['b', undefined],
      ['c', 0],
    ])
    expect(failures).toEqual([null, null, failure, null])
  })
})
