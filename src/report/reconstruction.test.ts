import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { RandomStream } from '../core/random.ts'
import { resolveConfiguration } from '../model/index.ts'
import { reconstructionAnimation, reconstructionSheet } from './pictures.ts'
import { paintReconstruction } from './reconstruction.ts'

const size = { frames: 4, height: 8, width: 12 }
const values = 2 * 4 * 4 * 3
const configuration = (normaliseTargets: boolean) =>
  resolveConfiguration({
    imageSize: [8, 12],
    frames: 4,
    patch: 4,
    tubelet: 2,
    encoder: { width: 8, depth: 1, heads: 1 },
    normaliseTargets,
  })

function randomFrames(): Uint8Array {
  const random = new RandomStream(5)
  return Uint8Array.from({ length: 4 * 8 * 12 * 3 }, () => random.integer(256))
}

/** Places of a token's pixels in the frames in the order (p0, p1, p2, c), written down independently of the painter. */
function places(token: number): number[] {
  const [x, y, t] = [token % 3, Math.floor(token / 3) % 2, Math.floor(token / 6)]
  const out: number[] = []
  for (let k = 0; k < values; k++) {
    const [c, p2, p1, p0] = [k % 3, Math.floor(k / 3) % 4, Math.floor(k / 12) % 4, Math.floor(k / 48)]
    out.push((((t * 2 + p0) * 8 + y * 4 + p1) * 12 + x * 4 + p2) * 3 + c)
  }
  return out
}

/** The target of one token, from the definition (VideoMAE 3.3). */
function target(frames: Uint8Array, token: number, normalised: boolean): Float32Array {
  const pixels = places(token).map((place) => frames[place] / 255)
  if (!normalised) return Float32Array.from(pixels)
  const out = new Float32Array(values)
  for (let c = 0; c < 3; c++) {
    const channel = pixels.filter((_, k) => k % 3 === c)
    const mean = channel.reduce((a, b) => a + b) / channel.length
    const variance = channel.reduce((a, b) => a + (b - mean) ** 2, 0) / (channel.length - 1)
    for (const [k, value] of channel.entries()) out[k * 3 + c] = (value - mean) / (Math.sqrt(variance) + 1e-6)
  }
  return out
}

describe('paintReconstruction', () => {
  it.each([true, false])('gives the original back for a perfect prediction (normalised %s)', (normalised) => {
    const frames = randomFrames()
    const masked = Int32Array.from({ length: 12 }, (_, k) => k)
    const prediction = new Float32Array(12 * values)
    for (let k = 0; k < 12; k++) prediction.set(target(frames, k, normalised), k * values)
    const painted = paintReconstruction(configuration(normalised), frames, masked, prediction)
    expect(painted.reconstruction).toEqual(frames)
    expect(painted.pixelError).toBe(0)
    expect(new Set(painted.masked).size).toBe(1)
  })

  it('leaves visible patches alone and measures the error over masked ones', () => {
    const frames = randomFrames()
    const painted = paintReconstruction(configuration(false), frames, Int32Array.of(7), new Float32Array(values))
    const hidden = new Set(places(7))
    let squares = 0
    for (let i = 0; i < frames.length; i++) {
      if (hidden.has(i)) squares += (frames[i] / 255) ** 2
      expect(painted.reconstruction[i]).toBe(hidden.has(i) ? 0 : frames[i])
      if (!hidden.has(i)) expect(painted.masked[i]).toBe(frames[i])
    }
    expect(painted.pixelError).toBeCloseTo(squares / values, 12)
  })
})

describe('pictures', () => {
  const painted = paintReconstruction(
    configuration(true),
    randomFrames(),
    Int32Array.of(0, 5),
    new Float32Array(2 * values),
  )

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
