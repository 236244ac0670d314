import { expect, test } from 'vitest'
import { decodeShareOf, preparingAdvice } from './preparing.ts'

test('the share of decoding is what a second crop does not add', () => {
  // 8 of decoding and 2 of each crop.
  expect(decodeShareOf(10, 12)).toBeCloseTo(0.8, 12)
  // Clocks tick coarsely: no share is below nothing or above all.
  expect([decodeShareOf(10, 21), decodeShareOf(10, 9), decodeShareOf(0, 0)]).toEqual([0, 1, 0])
})

test('small and prepared videos are not read at all', async () => {
  const info = { path: 'a.mp4', width: 640, height: 256, container: 'mov', codec: 'h264', pixelFormat: 'yuv420p' }
  const rest = { fps: 25, duration: 1, rotation: 0, mirrored: false, bytes: 1 } as const
  const small = { entry: { path: 'absent.mp4', id: 'a' }, info: { ...info, ...rest } }
  const large = { entry: { ...small.entry, original: '0'.repeat(64) }, info: { ...small.info, height: 720 } }
  expect(await preparingAdvice([small, small])).toBe(null)
  expect(await preparingAdvice([large])).toBe(null)
  expect(await preparingAdvice([])).toBe(null)
})
