import { describe, expect, test } from 'vitest'
import { randomClips, randomMasks, runOnce, shakenState, tinyConfiguration } from '../../test/support/tiny-model.ts'
import { meanPredictionLoss } from './mean-loss.ts'
import { buildPretrainProgram } from './pretrain.ts'

const masks = randomMasks(tinyConfiguration(), 1)

/** A clip with a flat patch, and its values on [0, 1] as patches [tokens][values], order (p0, p1, p2, c). */
function clipOf(normalizeTargets: boolean) {
  const configuration = tinyConfiguration({ normalizeTargets })
  const { imageSize, channels, frames: length, tubelet, patch } = configuration
  const [height, width] = imageSize
  const frames = randomClips(configuration, 1)
  for (let y = 0; y < height; y++) frames.fill(90, y * width * channels, (y * width + patch) * channels)
  const patches: number[][] = []
  for (let t = 0; t < length; t += tubelet) {
    for (let y = 0; y < height; y += patch) {
      for (let x = 0; x < width; x += patch) {
        const values: number[] = []
        for (let p0 = 0; p0 < tubelet; p0++) {
          for (let p1 = 0; p1 < patch; p1++) {
            const from = (((t + p0) * height + y + p1) * width + x) * channels
            for (let i = 0; i < patch * channels; i++) values.push(frames[from + i] / 255)
          }
        }
        patches.push(values)
      }
    }
  }
  return { configuration, frames, patches, channels }
}

const average = (values: readonly number[]): number => values.reduce((a, b) => a + b) / values.length

/** The definition, patch by patch. */
function bruteForce(normalized: boolean, hidden: readonly number[][], channels: number): number {
  const colors = Array.from({ length: channels }, (_, c) =>
    average(hidden.flatMap((patch) => patch.filter((_, i) => i % channels === c))),
  )
  return average(
    hidden.flatMap((patch) =>
      patch.map((value, i) => {
        if (!normalized) return (value - colors[i % channels]) ** 2
        const channel = patch.filter((_, k) => k % channels === i % channels)
        const mean = average(channel)
        const variance = channel.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (channel.length - 1)
        return ((value - mean) / (Math.sqrt(variance) + 1e-6)) ** 2
      }),
    ),
  )
}

describe('meanPredictionLoss', () => {
  test.each([true, false])('is what its definition says (normalized %s)', (normalized) => {
    const { configuration, frames, patches, channels } = clipOf(normalized)
    const all = Int32Array.from(patches.keys())
    for (const masked of [masks.masked, all]) {
      const hidden = [...masked].map((token) => patches[token])
      const expected = bruteForce(normalized, hidden, channels)
      expect(meanPredictionLoss(configuration, frames, masked)).toBeCloseTo(expected, 9)
      const weight = Float32Array.from(masked, (_, m) => (m % 3 === 0 ? 0 : 1))
      const counted = bruteForce(
        normalized,
        hidden.filter((_, m) => m % 3 !== 0),
        channels,
      )
      expect(meanPredictionLoss(configuration, frames, masked, weight)).toBeCloseTo(counted, 9)
    }
  })

  test.each([true, false])('is the loss of a decoder that gives the mean (normalized %s)', async (normalized) => {
    const { configuration, frames, patches, channels } = clipOf(normalized)
    const { visible, masked, counts } = masks
    const built = buildPretrainProgram({ configuration, batch: 1, ...counts })
    const state = new Map(shakenState(built.parameters))
    const bias = Float32Array.from(state.get('decoder.head.bias')!, (_, i) =>
      normalized
        ? 0
        : average([...masked].flatMap((token) => patches[token].filter((_, k) => k % channels === i % channels))),
    )
    state.set('decoder.head.weight', new Float32Array(state.get('decoder.head.weight')!.length))
    state.set('decoder.head.bias', bias)
    const { loss } = await runOnce(built.programs[0], state, { frames, visible, masked })
    expect(meanPredictionLoss(configuration, frames, masked)).toBeCloseTo(loss[0], 5)
  })

  test('is 0 for flat patches, and below 1 for others', () => {
    const { configuration, frames } = clipOf(true)
    expect(meanPredictionLoss(configuration, frames.slice().fill(7), masks.masked)).toBeCloseTo(0, 15)
    expect(meanPredictionLoss(configuration, frames, masks.masked)).toBeLessThan(1)
  })
})
