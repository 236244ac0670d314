import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { RandomStream } from '../../src/core/random.ts'
import { augmentClip } from '../../src/video/augment/index.ts'
import {
  applyOperations,
  type DrawnOperation,
  drawOperations,
  operationNames,
} from '../../src/video/augment/rand-augment.ts'
import { drawErasedBox } from '../../src/video/augment/random-erasing.ts'

/** What PIL makes of one picture; see golden/augment.py. */
const golden = JSON.parse(readFileSync(new URL('golden/augment.json', import.meta.url), 'utf8')) as {
  width: number
  height: number
  picture: number[]
  cases: (DrawnOperation & { expected: number[] })[]
}

describe('RandAugment against PIL', () => {
  test.each(golden.cases)('$name($argument)', ({ name, argument, expected }) => {
    const frame = Uint8Array.from(golden.picture)
    applyOperations(frame, golden.width, golden.height, [{ name, argument }])
    const largest = Math.max(...frame.map((value, i) => Math.abs(value - expected[i])))
    expect(largest).toBeLessThanOrEqual(1)
  })

  test('covers every operation', () => {
    expect(new Set(golden.cases.map(({ name }) => name))).toEqual(new Set(operationNames))
  })
})

describe('drawOperations', () => {
  const draws = Array.from({ length: 4000 }, (_, i) => drawOperations({}, new RandomStream(i)))
  const all = draws.flat()

  test('applies half of four operations, each as often', () => {
    expect(all.length / draws.length).toBeCloseTo(2, 1)
    for (const name of operationNames) {
      const share = all.filter((drawn) => drawn.name === name).length / all.length
      expect(share).toBeGreaterThan(1 / 15 - 0.012)
      expect(share).toBeLessThan(1 / 15 + 0.012)
    }
  })

  test('has the strengths of rand-m7-n4-mstd0.5-inc1', () => {
    const of = (name: string) => all.filter((drawn) => drawn.name === name).map(({ argument }) => argument)
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
    expect(mean(of('rotate').map(Math.abs))).toBeCloseTo(21, 0)
    expect(Math.abs(mean(of('rotate')))).toBeLessThan(3)
    expect(mean(of('shear-x').map(Math.abs))).toBeCloseTo(0.21, 2)
    expect(mean(of('translate-y').map(Math.abs))).toBeCloseTo(0.315, 2)
    expect(mean(of('contrast').map((factor) => Math.abs(factor - 1)))).toBeCloseTo(0.63, 2)
    // 256 - trunc(256 * 0.7) = 77 and trunc(110 * 0.7) = 76 with a deviation of about 13 and 5.5
    expect(Math.abs(mean(of('solarize')) - 77)).toBeLessThan(2)
    expect(Math.abs(mean(of('solarize-add')) - 76.5)).toBeLessThan(1)
    expect(new Set(of('posterize'))).toEqual(new Set([1, 2]))
  })
})

describe('random erasing', () => {
  test('takes a quarter of the clips, a share from 2 % to a third', () => {
    const options = { mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2] }
    const boxes = Array.from({ length: 8000 }, (_, i) => drawErasedBox(options, 224, 224, new RandomStream(i)))
    const erased = boxes.filter((box) => box !== null)
    expect(erased.length / boxes.length).toBeCloseTo(0.25, 1)
    const shares = erased.map(({ width, height }) => (width * height) / 224 ** 2)
    expect(Math.min(...shares)).toBeGreaterThan(0.018)
    expect(Math.max(...shares)).toBeLessThan(0.336)
    for (const { x, y, width, height } of erased) {
      expect(x + width).toBeLessThanOrEqual(224)
      expect(y + height).toBeLessThanOrEqual(224)
    }
  })

  test('fills one box of every frame with noise of the given mean and deviation, fresh in each', () => {
    const [frames, side] = [4, 64]
    const clip = new Uint8Array(frames * side * side * 3).fill(1)
    const erasing = { probability: 1, area: [0.3, 0.3] as const, mean: [0.5, 0.5, 0.5], std: [0.1, 0.1, 0.1] }
    augmentClip(clip, side, side, { erasing }, new RandomStream(3))
    const bytes = side * side * 3
    const erased = Array.from({ length: frames }, (_, t) =>
      [...clip.subarray(t * bytes, (t + 1) * bytes).keys()].filter((i) => clip[t * bytes + i] !== 1),
    )
    expect(erased[0].length / bytes).toBeCloseTo(0.3, 1)
    for (const index of erased) expect(index).toEqual(erased[0])
    expect(clip.subarray(0, bytes)).not.toEqual(clip.subarray(bytes, 2 * bytes))
    const noise = erased[0].map((i) => clip[i])
    const mean = noise.reduce((a, b) => a + b, 0) / noise.length
    const deviation = Math.sqrt(noise.reduce((a, b) => a + (b - mean) ** 2, 0) / noise.length)
    expect(Math.abs(mean - 127.5)).toBeLessThan(2)
    expect(Math.abs(deviation - 25.5)).toBeLessThan(1.5)
  })
})

describe('augmentClip', () => {
  test('treats all frames alike and depends on its stream alone', () => {
    const [frames, side] = [3, 16]
    const one = new RandomStream('picture')
    const frame = Uint8Array.from({ length: side * side * 3 }, () => one.integer(256))
    const clip = new Uint8Array(frames * frame.length)
    for (let t = 0; t < frames; t++) clip.set(frame, t * frame.length)
    const again = clip.slice()
    augmentClip(clip, side, side, { randAugment: { probability: 1 } }, new RandomStream(5))
    augmentClip(again, side, side, { randAugment: { probability: 1 } }, new RandomStream(5))
    expect(clip).toEqual(again)
    expect(clip.subarray(0, frame.length)).not.toEqual(frame)
    for (let t = 1; t < frames; t++) {
      expect(clip.subarray(t * frame.length, (t + 1) * frame.length)).toEqual(clip.subarray(0, frame.length))
    }
  })
})
