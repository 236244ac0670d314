import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { RandomStream } from '../core/random.ts'
import { resolveConfiguration } from '../model/configuration.ts'
import { reconstructionAnimation, reconstructionSheet } from './pictures.ts'
import { paintReconstruction } from './reconstruction.ts'
import { drawText, textWidth, wrapText } from './text.ts'

const size = { frames: 4, height: 8, width: 12 }
const values = 2 * 4 * 4 * 3
const configuration = (normalizeTargets: boolean) =>
  resolveConfiguration({
    imageSize: [8, 12],
    frames: 4,
    patch: 4,
    tubelet: 2,
    encoder: { width: 8, depth: 1, heads: 1 },
    normalizeTargets,
  })

function randomFrames(): Uint8Array {
  const random = new RandomStream(5)
  return Uint8Array.from({ length: 4 * 8 * 12 * 3 }, () => random.integer(256))
}

/** Offsets of a token's pixels in the frames in the order (p0, p1, p2, c), written down independently of the painter. */
function offsetsOf(token: number): number[] {
  const [x, y, t] = [token % 3, Math.floor(token / 3) % 2, Math.floor(token / 6)]
  const out: number[] = []
  for (let k = 0; k < values; k++) {
    const [c, p2, p1, p0] = [k % 3, Math.floor(k / 3) % 4, Math.floor(k / 12) % 4, Math.floor(k / 48)]
    out.push((((t * 2 + p0) * 8 + y * 4 + p1) * 12 + x * 4 + p2) * 3 + c)
  }
  return out
}

/** The target of one token, from the definition (VideoMAE 3.3). */
function target(frames: Uint8Array, token: number, normalized: boolean): Float32Array {
  const pixels = offsetsOf(token).map((offset) => frames[offset] / 255)
  if (!normalized) return Float32Array.from(pixels)
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
  test.each([true, false])('gives the original back for a perfect prediction (normalized %s)', (normalized) => {
    const frames = randomFrames()
    const masked = Int32Array.from({ length: 12 }, (_, k) => k)
    const prediction = new Float32Array(12 * values)
    for (let k = 0; k < 12; k++) prediction.set(target(frames, k, normalized), k * values)
    const painted = paintReconstruction(configuration(normalized), frames, masked, prediction)
    expect(painted.predictionWithTrueStatistics ?? painted.prediction).toEqual(frames)
    expect(painted.predictionWithTrueStatistics === null).toBe(!normalized)
    if (!normalized) expect(painted.pixelError).toBe(0)
    expect(new Set(painted.masked).size).toBe(1)
  })

  test('leaves visible patches alone and measures the error over masked ones', () => {
    const frames = randomFrames()
    const painted = paintReconstruction(configuration(false), frames, Int32Array.of(7), new Float32Array(values))
    const hidden = new Set(offsetsOf(7))
    let squares = 0
    for (let i = 0; i < frames.length; i++) {
      if (hidden.has(i)) squares += (frames[i] / 255) ** 2
      expect(painted.prediction[i]).toBe(hidden.has(i) ? 0 : frames[i])
      if (!hidden.has(i)) expect(painted.masked[i]).toBe(frames[i])
    }
    expect(painted.pixelError).toBeCloseTo(squares / values, 12)
  })

  test.each([true, false])('shows a prediction with nothing of the hidden pixels (normalized %s)', (normalized) => {
    const [frames, masked, random] = [randomFrames(), Int32Array.of(0, 4, 7, 11), new RandomStream(6)]
    const output = Float32Array.from({ length: 4 * values }, () => random.uniform(-1, 1))
    const hidden = new Set([...masked].flatMap(offsetsOf))
    const changed = frames.map((value, i) => (hidden.has(i) ? value >> 3 : value))
    const [before, after] = [frames, changed].map((clip) =>
      paintReconstruction(configuration(normalized), clip, masked, output),
    )
    expect(changed).not.toEqual(frames)
    expect(after.prediction).toEqual(before.prediction)
    expect(after.masked).toEqual(before.masked)
    if (normalized) expect(after.predictionWithTrueStatistics).not.toEqual(before.predictionWithTrueStatistics)
  })

  test('brings normalized predictions back with the average mean and deviation of the visible patches', () => {
    const [frames, masked] = [randomFrames(), Int32Array.of(0, 4, 7, 11)]
    const visible = [1, 2, 3, 5, 6, 8, 9, 10]
    const average = (of: (pixels: number[]) => number, c: number): number =>
      visible
        .map((token) => of(offsetsOf(token).flatMap((offset, k) => (k % 3 === c ? [frames[offset] / 255] : []))))
        .reduce((a, b) => a + b) / visible.length
    const mean = (pixels: number[]): number => pixels.reduce((a, b) => a + b) / pixels.length
    const deviation = (pixels: number[]): number =>
      Math.sqrt(pixels.reduce((a, b) => a + (b - mean(pixels)) ** 2, 0) / (pixels.length - 1))
    const painted = paintReconstruction(configuration(true), frames, masked, new Float32Array(4 * values).fill(0.5))
    for (const [k, offset] of offsetsOf(4).entries()) {
      const expected = 255 * (average(mean, k % 3) + 0.5 * average(deviation, k % 3))
      expect(Math.abs(painted.prediction[offset] - expected)).toBeLessThan(0.51)
    }
    const everything = Int32Array.from({ length: 12 }, (_, k) => k)
    const allHidden = paintReconstruction(configuration(true), frames, everything, new Float32Array(12 * values))
    expect([...allHidden.prediction.subarray(0, 3)]).toEqual([0.485, 0.456, 0.406].map((x) => Math.round(x * 255)))
  })
})

describe('pictures', () => {
  const painted = paintReconstruction(
    configuration(true),
    randomFrames(),
    Int32Array.of(0, 5),
    new Float32Array(2 * values),
  )

  const raw = { ...painted, predictionWithTrueStatistics: null }
  const factor = 13 // floor(160 / 12)
  const line = 20 // of text

  /** Black pixels of a part of a picture whose background is white. */
  async function ink(picture: Uint8Array, left: number, top: number, width: number, height: number, page = 0) {
    const pixels = await sharp(picture, { page }).extract({ left, top, width, height }).removeAlpha().raw().toBuffer()
    return pixels.filter((value) => value < 100).length / 3
  }

  test.each([
    ['normalized', painted, 4],
    ['raw', raw, 3],
  ])('draws a sheet with a labeled row for each clip of %s targets', async (_, parts, rows) => {
    const sheet = await reconstructionSheet(parts, size, 2)
    const { width, height, format } = await sharp(sheet).metadata()
    const row = line + 8 * factor + 8
    // Two columns are narrower than the longest label, of 36 characters.
    expect({ width, height, format }).toEqual({
      width: rows === 4 ? 36 * 12 - 2 : 2 * 12 * factor + 8,
      height: line + rows * row - 8,
      format: 'png',
    })
    const labels = await Promise.all(Array.from({ length: rows }, (_, k) => ink(sheet, 0, line + k * row, width, line)))
    expect(labels.every((black) => black > 100)).toBe(true)
    expect(new Set(labels).size).toBe(rows)
  })

  test('draws the frames under their numbers in the file', async () => {
    const sheet = await reconstructionSheet(raw, size, 2)
    const other = await reconstructionSheet(raw, { ...size, frameNumbers: [8, 12, 16, 20] }, 2)
    const counts = (picture: Uint8Array) =>
      Promise.all([0, 12 * factor + 8].map((left) => ink(picture, left, 0, 12 * factor, line)))
    expect((await counts(sheet)).every((black) => black > 100)).toBe(true)
    expect(await counts(other)).not.toEqual(await counts(sheet))
    const frame = await sharp(other)
      .extract({ left: 12 * factor + 8, top: 2 * line, width: 12 * factor, height: 8 * factor })
      .resize(12, 8, { kernel: 'nearest' })
      .raw()
      .toBuffer()
    expect(Uint8Array.from(frame)).toEqual(painted.original.slice(2 * 8 * 12 * 3, 3 * 8 * 12 * 3))
  })

  test('draws an endless animation with one page per frame, labels, and frame numbers', async () => {
    const animation = await reconstructionAnimation(painted, size)
    const { pages, loop, format, width, pageHeight } = await sharp(animation, { animated: true }).metadata()
    expect({ pages, loop, format }).toEqual({ pages: 4, loop: 0, format: 'webp' })
    // The longest label is broken into three lines: "prediction +", "true patch", "mean and std".
    const column = 12 * factor + 8
    expect([width, pageHeight]).toEqual([4 * column - 8, 3 * line + 8 * factor + 8 + line])
    for (let k = 0; k < 4; k++) expect(await ink(animation, k * column, 0, 12 * factor, 3 * line)).toBeGreaterThan(100)
    const numbers = await Promise.all(
      [0, 1].map((page) => ink(animation, 0, pageHeight! - line, 12 * factor, line, page)),
    )
    expect(Math.min(...numbers)).toBeGreaterThan(100)
    expect(numbers[0]).not.toBe(numbers[1])
  })

  test('has every character of the labels', () => {
    const blank = { data: new Uint8Array(12 * 20 * 3).fill(255), width: 12, height: 20 }
    for (const character of 'abcdefghijklmnopqrstuvwxyz0123456789+-') {
      const data = Uint8Array.from(blank.data)
      drawText({ ...blank, data }, character, 0, 0)
      expect(data, character).not.toEqual(blank.data)
    }
    expect(wrapText('prediction + true patch mean and std', 160)).toEqual([
      'prediction +',
      'true patch',
      'mean and std',
    ])
    expect(textWidth('ab')).toBe(22)
  })
})
