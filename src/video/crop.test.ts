/** Oracle: the crop rules, their bounds, and exhaustive counts of the positions they may choose. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RandomStream } from '../core/random.ts'
import { alongCrop, type CropChoice, chooseCrop, multiScaleCrop, randomResizedCrop } from './crop.ts'

const output = { width: 224, height: 224 }
const random = (...key: number[]): RandomStream => new RandomStream(...key, 'test')

test('multi-scale: ten shapes, thirteen positions, sizes near the output snapped to it', () => {
  const boxes = new Set<string>()
  const shapes = new Set<string>()
  for (let key = 0; key < 4000; key++) {
    const { crop } = multiScaleCrop({ width: 340, height: 256 }, output, random(key))
    boxes.add(JSON.stringify(crop))
    shapes.add(`${crop.width}x${crop.height}`)
  }
  // 256 * 0.875 = 224; 0.75 -> 192; 0.66 -> 168
  const sides = [256, 224, 192, 168]
  const expected = sides.flatMap((w, i) => sides.filter((_, j) => Math.abs(i - j) <= 1).map((h) => `${w}x${h}`))
  expect([...shapes].sort()).toEqual(expected.sort())
  // Where the crop is as high as the picture, positions that differ only vertically are one: 7 shapes with 13 positions and the 2 + 1 full-height ones with 5.
  expect(boxes.size).toBe(8 * 13 + 2 * 5)
  // 226 is within 3 pixels of the output.
  const near = Array.from(
    { length: 50 },
    (_, key) => multiScaleCrop({ width: 340, height: 226 }, output, random(key)).crop,
  )
  expect(near.some(({ height }) => height === 224)).toBe(true)
  expect(near.some(({ height }) => height === 226)).toBe(false)
})

test('random resized: area and aspect inside their bounds, except for pictures too long for any', () => {
  for (let key = 0; key < 500; key++) {
    const { crop } = randomResizedCrop({ width: 320, height: 240 }, output, random(key))
    const area = (crop.width * crop.height) / (320 * 240)
    expect(area).toBeGreaterThan(0.07)
    expect(area).toBeLessThanOrEqual(1)
    expect(crop.width / crop.height).toBeGreaterThan(0.72)
    expect(crop.width / crop.height).toBeLessThan(1.37)
  }
  expect(randomResizedCrop({ width: 2000, height: 12 }, output, random(1), [0.9, 1]).crop).toEqual({
    x: 992,
    y: 0,
    width: 16,
    height: 12,
  })
})

test('three crops along the long side are at its start, middle and end', () => {
  const windows = [0, 1, 2].map((k) => alongCrop({ width: 340, height: 256 }, output, k, 3))
  // 340 * 224 / 256 = 297.5 -> 297; 73 free
  expect(windows.map((w) => w.window)).toEqual([
    { x: 0, y: 0 },
    { x: 36, y: 0 },
    { x: 73, y: 0 },
  ])
  expect(windows[0].scale).toEqual({ width: 297, height: 224 })
  expect(alongCrop({ width: 100, height: 300 }, output, 2, 3).window).toEqual({ x: 0, y: 448 })
  expect(alongCrop({ width: 100, height: 100 }, output, 2, 3).window).toBeUndefined()
})

test('every choice stays inside the picture and depends on its stream alone', () => {
  const choice: fc.Arbitrary<CropChoice> = fc.constantFrom<CropChoice>(
    { kind: 'multi-scale', flip: 0.5 },
    { kind: 'random-resized', flip: 0.5 },
    { kind: 'center' },
    { kind: 'along', index: 1, count: 2 },
    { kind: 'whole' },
  )
  const side = fc.integer({ min: 1, max: 4000 })
  fc.assert(
    fc.property(choice, side, side, fc.integer({ min: 1, max: 300 }), fc.nat(), (c, width, height, target, key) => {
      const square = { width: target, height: target }
      const { crop, scale, window, flip } = chooseCrop(c, { width, height }, square, random(key))
      for (const value of [crop.x, crop.y, crop.width, crop.height]) expect(Number.isInteger(value)).toBe(true)
      expect(Math.min(crop.x, crop.y)).toBeGreaterThanOrEqual(0)
      expect(Math.min(crop.width, crop.height)).toBeGreaterThan(0)
      expect(crop.x + crop.width).toBeLessThanOrEqual(width)
      expect(crop.y + crop.height).toBeLessThanOrEqual(height)
      expect((window?.x ?? 0) + target).toBeLessThanOrEqual(scale.width)
      expect((window?.y ?? 0) + target).toBeLessThanOrEqual(scale.height)
      if (window === undefined) expect(scale).toEqual(square)
      expect(chooseCrop(c, { width, height }, square, random(key))).toEqual({
        crop,
        scale,
        ...(window && { window }),
        flip,
      })
    }),
    { seed: 20261122, numRuns: 500 },
  )
})

test('mirrors as often as asked', () => {
  let mirrored = 0
  for (let key = 0; key < 1000; key++) {
    if (chooseCrop({ kind: 'multi-scale', flip: 0.25 }, output, output, random(key)).flip) mirrored++
  }
  expect(mirrored).toBeGreaterThan(200)
  expect(mirrored).toBeLessThan(300)
})

test('crops for square frames are bit for bit those of version 0.1', () => {
  const hash = createHash('sha256')
  const choices: CropChoice[] = [
    { kind: 'multi-scale', flip: 0.5 },
    { kind: 'random-resized', flip: 0.5 },
    { kind: 'random-resized', area: [0.9, 1] },
    { kind: 'center' },
    { kind: 'along', index: 1, count: 2 },
    { kind: 'whole' },
  ]
  for (let key = 0; key < 2000; key++) {
    const stream = new RandomStream(key, 'picture')
    const picture = { width: 1 + stream.integer(2000), height: 1 + stream.integer(2000) }
    const side = 1 + stream.integer(300)
    for (const choice of choices) {
      hash.update(JSON.stringify(chooseCrop(choice, picture, { width: side, height: side }, random(key))))
    }
  }
  expect(hash.digest('hex')).toBe('da5698b12c4b0c4752824baf409e6ce71cd8e4b4739deb98fe198617e8d20be5')
})

test('non-square frames: the picture covers the frame, and random crops have its proportions', () => {
  const wide = { width: 448, height: 224 }
  // 320 x 240 covers 448 x 224 at 448 / 320 = 1.4: 448 x 336, of which the middle 224 rows are kept.
  expect(alongCrop({ width: 320, height: 240 }, wide, 1, 3)).toMatchObject({
    scale: { width: 448, height: 336 },
    window: { x: 0, y: 56 },
  })
  // 1000 x 250 covers it at 224 / 250: 896 x 224.
  expect(alongCrop({ width: 1000, height: 250 }, wide, 2, 3)).toMatchObject({
    scale: { width: 896, height: 224 },
    window: { x: 448, y: 0 },
  })
  for (let key = 0; key < 500; key++) {
    // The largest 2:1 box in 340 x 256 is 340 x 170.
    const { crop, scale } = multiScaleCrop({ width: 340, height: 256 }, wide, random(key))
    expect([340, 297, 255, 224]).toContain(crop.width)
    expect([170, 148, 127, 112]).toContain(crop.height)
    expect(scale).toEqual(wide)
    const resized = randomResizedCrop({ width: 640, height: 240 }, wide, random(key), [0.1, 0.4])
    expect(resized.crop.width / resized.crop.height).toBeGreaterThan(2 * 0.75 - 0.05)
    expect(resized.crop.width / resized.crop.height).toBeLessThan((2 * 4) / 3 + 0.05)
  }
})

test('resize: the short side scaled further than the frame, or the picture squeezed, before the middle is cut out', () => {
  const picture = { width: 320, height: 240 }
  const larger = { ...output, resize: { shortEdge: 256 } }
  // 320 x 240 to 341 x 256
  expect(alongCrop(picture, larger, 1, 3)).toMatchObject({
    scale: { width: 341, height: 256 },
    window: { x: 58, y: 16 },
  })
  const squeezed = alongCrop(picture, { ...output, resize: { height: 224, width: 224 } }, 1, 3)
  expect(squeezed).toEqual({ crop: { x: 0, y: 0, ...picture }, scale: output, flip: false })
  expect(alongCrop(picture, { ...output, resize: { height: 256, width: 256 } }, 1, 3)).toMatchObject({
    scale: { width: 256, height: 256 },
    window: { x: 16, y: 16 },
  })
  // Never smaller than the frame.
  expect(alongCrop(picture, { ...output, resize: { shortEdge: 100 } }, 1, 3)).toMatchObject({
    scale: { width: 298, height: 224 },
  })
})
