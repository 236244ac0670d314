import { describe, expect, test } from 'vitest'
import { RandomStream } from '../core/random.ts'
import { type MotionClass, motionClasses, renderMotionClip } from './motion.ts'

const size = { width: 32, height: 32, frames: 8 }

/** Mean over clips of the mean image at one frame index: [H, W, 3]. */
function meanFrame(kind: MotionClass, clips: number, frame: number): Float64Array {
  const pixels = 32 * 32 * 3
  const sum = new Float64Array(pixels)
  for (let k = 0; k < clips; k++) {
    const clip = renderMotionClip(kind, new RandomStream(3, kind, k), size)
    for (let i = 0; i < pixels; i++) sum[i] += clip[frame * pixels + i] / clips
  }
  return sum
}

/** The shift (dx, dy) on the torus that best explains, from frame 0, the pixels of frame 2 that changed. */
function bestShift(clip: Uint8Array): [number, number] {
  const second = clip.subarray(2 * 32 * 32 * 3)
  let best = Number.POSITIVE_INFINITY
  let shift: [number, number] = [0, 0]
  for (let dy = -2; dy <= 2; dy++) {
    for (let dx = -2; dx <= 2; dx++) {
      let error = 0
      for (let y = 0; y < 32; y++) {
        for (let x = 0; x < 32; x++) {
          const from = (((y - dy + 32) % 32) * 32 + ((x - dx + 32) % 32)) * 3
          const to = (y * 32 + x) * 3
          if (Math.abs(second[to] - clip[to]) + Math.abs(second[to + 1] - clip[to + 1]) < 20) continue
          for (let c = 0; c < 3; c++) error += Math.abs(second[to + c] - clip[from + c])
        }
      }
      if (error < best) {
        best = error
        shift = [dx, dy]
      }
    }
  }
  return shift
}

describe('renderMotionClip', () => {
  test('is a function of its key', () => {
    const a = renderMotionClip('left', new RandomStream(1, 2), size)
    expect(a).toEqual(renderMotionClip('left', new RandomStream(1, 2), size))
    expect(a).not.toEqual(renderMotionClip('left', new RandomStream(1, 3), size))
    expect(a.length).toBe(8 * 32 * 32 * 3)
  })

  test('moves the way its class says', () => {
    const votes: Record<string, [number, number]> = {}
    for (const kind of ['right', 'left', 'down', 'up'] as const) {
      const sum: [number, number] = [0, 0]
      for (let k = 0; k < 12; k++) {
        const [dx, dy] = bestShift(renderMotionClip(kind, new RandomStream(k), size))
        sum[0] += dx
        sum[1] += dy
      }
      votes[kind] = sum
    }
    expect(votes.right[0]).toBeGreaterThan(6)
    expect(votes.left[0]).toBeLessThan(-6)
    expect(votes.down[1]).toBeGreaterThan(6)
    expect(votes.up[1]).toBeLessThan(-6)
  })

  test('shows no class in a single frame on average', () => {
    // Same scene distribution for every class: the mean images of the last frame agree up to sampling noise.
    const clips = 150
    const means = motionClasses.map((kind) => meanFrame(kind, clips, 7))
    for (const mean of means) {
      let distance = 0
      for (let i = 0; i < mean.length; i++) distance += Math.abs(mean[i] - means[0][i]) / mean.length
      expect(distance).toBeLessThan(10) // pixel deviation about 45, so 45 / sqrt(150) * sqrt(2) = 5 is expected
    }
  })
})
