import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { RandomStream } from '../core/random.ts'
import { reconstructionAnimation, reconstructionSheet } from './pictures.ts'
import { paintReconstruction } from './reconstruction.ts'

const size = { frames: 4, height: 8, width: 12 }
const tubelet = 2
const patch = 4
const tokens = 2 * 2 * 3
const values = tubelet * patch * patch * 3

function randomFrames(): Uint8Array {
  const random = new RandomStream(5)
  return Uint8Array.from({ length: 4 * 8 * 12 * 3 }, () => random.integer(256))
}

/** Position of (token, p0, p1, p2, c) in the frames, written down independently of the painter. */
function position(token: number, p0: number, p1: number, p2: number, c: number): number {
  const [x, y, t] = [token % 3, Math.floor(token / 3) % 2, Math.floor(token / 6)]
  return (((t * 2 + p0) * 8 + y * 4 + p1) * 12 + x * 4 + p2) * 3 + c
}

/** The target of one token, from the definition. */
function target(frames: Uint8Array, token: number, normalised: boolean): Float32Array {
  const out = new Float32Array(values)
  for (let c = 0; c < 3; c++) {
    const pixels: number[] = []
    for (let p0 = 0; p0 < 2; p0++)
      for (let p1 = 0; p1 < 4; p1++)
        for (let p2 = 0; p2 < 4; p2++) pixels.push(frames[position(token, p0, p1, p2, c)] / 255)
    const mean = pixels.reduce((a, b) => a + b) / pixels.length
    const variance = pixels.reduce((a, b) => a + (b - mean) ** 2, 0) / (pixels.length - 1)
    for (const [k, value] of pixels.entries()) {
      out[k * 3 + c] = normalised ? (value - mean) / (Math.sqrt(variance) + 1e-6) : value
    }
  }
  return out
}

describe('paintReconstruction', () => {
  it.each([true, false])('gives the original back for a perfect prediction (normalised %s)', (normalised) => {
    const frames = randomFrames()
    const masked = Int32Array.from({ length: tokens }, (_, k) => k)
    const prediction = new Float32Array(tokens * values)
    for (let k = 0; k < tokens; k++) prediction.set(target(frames, k, normalised), k * values)
    const painted = paintReconstruction({ frames, size, tubelet, patch, masked, prediction, normalised })
    expect(painted.reconstruction).toEqual(frames)
    expect(painted.pixelError).toBe(0)
    expect(painted.masked.every((pixel) => pixel === 118)).toBe(true)
  })

  it('leaves visible patches alone', () => {
    const frames = randomFrames()
    const masked = Int32Array.of(7)
    const painted = paintReconstruction({
      frames,
      size,
      tubelet,
      patch,
      masked,
      prediction: new Float32Array(values),
      normalised: false,
    })
    const hidden = new Set<number>()
    for (let p0 = 0; p0 < 2; p0++)
      for (let p1 = 0; p1 < 4; p1++)
        for (let p2 = 0; p2 < 4; p2++) for (let c = 0; c < 3; c++) hidden.add(position(7, p0, p1, p2, c))
    for (let i = 0; i < frames.length; i++) {
      expect(painted.reconstruction[i]).toBe(hidden.has(i) ? 0 : frames[i])
      expect(painted.masked[i]).toBe(hidden.has(i) ? 118 : frames[i])
    }
  })

  it('refuses lengths that do not fit', () => {
    expect(() =>
      paintReconstruction({
        frames: randomFrames(),
        size,
        tubelet,
        patch,
        masked: Int32Array.of(0),
        prediction: new Float32Array(3),
        normalised: true,
      }),
    ).toThrow(/Expected frames/)
  })
})

describe('pictures', () => {
  const frames = randomFrames()
  const painted = paintReconstruction({
    frames,
    size,
    tubelet,
    patch,
    masked: Int32Array.of(0, 5),
    prediction: new Float32Array(2 * values),
    normalised: true,
  })

  it('draws a sheet of three rows', async () => {
    const { width, height, format } = await sharp(await reconstructionSheet(painted, size, 2)).metadata()
    const factor = 13 // floor(160 / 12)
    expect({ width, height, format }).toEqual({
      width: (2 * 16 - 4) * factor,
      height: (3 * 12 - 4) * factor,
      format: 'png',
    })
  })

  it('draws an endless animation with one page per frame', async () => {
    const { pages, loop, format } = await sharp(await reconstructionAnimation(painted, size), {
      animated: true,
    }).metadata()
    expect({ pages, loop, format }).toEqual({ pages: 4, loop: 0, format: 'webp' })
  })
})
