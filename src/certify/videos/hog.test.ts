import { expect, test } from 'vitest'
import { RandomStream } from '../../core/random.ts'
import { hogRow, hogWidth } from './hog.ts'

const size = 16
const cells = 4

/** A gray clip of one frame. */
function picture(value: (x: number, y: number) => number): Uint8Array {
  const frame = new Uint8Array(size * size * 3)
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) frame.fill(value(x, y), (y * size + x) * 3, (y * size + x) * 3 + 3)
  return frame
}

const stream = new RandomStream('hog')
const noise = Array.from({ length: size * size }, () => stream.integer(256))
const noisy = picture((x, y) => noise[y * size + x])
const at = (row: Float32Array, y: number, x: number, direction: number) => row[(y * cells + x) * 8 + direction]

test('an edge from dark to light is in the cells around it, in its direction only', () => {
  const row = hogRow(
    'hog',
    picture((x) => (x < 8 ? 10 : 200)),
    size,
  )
  expect(row).toHaveLength(hogWidth('hog', size))
  for (let y = 0; y < cells; y++)
    for (let x = 0; x < cells; x++)
      for (let direction = 0; direction < 8; direction++)
        expect(at(row, y, x, direction) > 0).toBe(direction === 0 && (x === 1 || x === 2))
  expect(at(row, 0, 1, 0)).toBeCloseTo(at(row, 0, 2, 0), 6)
})

test('turning the picture by 90 degrees turns cells and directions, and nothing else', () => {
  const row = hogRow('hog', noisy, size)
  const turned = hogRow(
    'hog',
    picture((x, y) => noise[x * size + (size - 1 - y)]),
    size,
  )
  for (let y = 0; y < cells; y++)
    for (let x = 0; x < cells; x++)
      for (let direction = 0; direction < 8; direction++)
        expect(at(turned, cells - 1 - x, y, (direction + 6) % 8)).toBeCloseTo(at(row, y, x, direction), 5)
})

test('has length 1, whatever the contrast, and nothing for a picture of one color', () => {
  const row = hogRow('hog', noisy, size)
  expect(row.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 5)
  const fainter = hogRow(
    'hog',
    picture((x, y) => 2 * Math.floor(noise[y * size + x] / 4)),
    size,
  )
  const double = hogRow(
    'hog',
    picture((x, y) => 4 * Math.floor(noise[y * size + x] / 4)),
    size,
  )
  for (const [k, value] of fainter.entries()) expect(value).toBeCloseTo(double[k], 6)
  expect(
    hogRow(
      'hog',
      picture(() => 90),
      size,
    ).every((value) => value === 0),
  ).toBe(true)
})

test('frames count alike: repeated ones change nothing, and their order does not matter', () => {
  const other = picture((x, y) => 255 - noise[x * size + y])
  const clip = (...frames: Uint8Array[]) => hogRow('hog-color', new Uint8Array(Buffer.concat(frames)), size)
  expect(clip(noisy, noisy, noisy)).toEqual(clip(noisy))
  const [mixed, sorted] = [clip(noisy, other, noisy), clip(noisy, noisy, other)]
  for (const [k, value] of mixed.entries()) expect(value).toBeCloseTo(sorted[k], 6)
  expect(mixed).not.toEqual(clip(noisy))
})

test('colors are those of the cells, in a part of their own', () => {
  const red = new Uint8Array(size * size * 3)
  for (let i = 0; i < red.length; i += 3) red[i] = i < red.length / 2 ? 255 : 0
  const row = hogRow('hog-color', red, size)
  const colors = row.subarray(hogWidth('hog', size))
  expect(colors).toHaveLength(4 * 4 * 3)
  const [light, dark] = [colors.subarray(0, 3), colors.subarray(3 * 4 * 3, 3 * 4 * 3 + 3)]
  expect(Math.sign(light[0])).toBe(1)
  expect(Math.sign(dark[0])).toBe(-1)
  expect(light[1]).toBeCloseTo(-light[0], 6)
  expect(colors.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(0.25, 5)
  expect([...row.subarray(0, hogWidth('hog', size))]).toEqual([...hogRow('hog', red, size)])
})
