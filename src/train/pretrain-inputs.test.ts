import { describe, expect, test } from 'vitest'
import { decodedCount, maskCounts } from '../mask/mask.ts'
import { type MaskOptions, maskInputs } from './pretrain-inputs.ts'

const grid = { t: 4, h: 4, w: 4 }
const { visible, masked } = maskCounts('tube', grid, 0.75)
const options: MaskOptions = { grid, kind: 'tube', ratio: 0.75, decoder: null, seed: 5, visible, predicted: masked }

describe('masks of a batch', () => {
  test('gives every sample its own mask, which depends on its key alone', () => {
    const batch = maskInputs(
      [
        { epoch: 2, sample: 7 },
        { epoch: 2, sample: 8 },
      ],
      options,
    )
    expect(batch.visible).toHaveLength(2 * visible)
    expect(batch.masked).toHaveLength(2 * masked)
    expect(batch.weight).toBeUndefined()
    const alone = maskInputs([{ epoch: 2, sample: 8 }], options)
    expect(batch.visible!.slice(visible)).toEqual(alone.visible)
    expect(batch.masked!.slice(masked)).toEqual(alone.masked)
    expect(batch.visible!.slice(0, visible)).not.toEqual(alone.visible)
    expect(maskInputs([{ epoch: 3, sample: 8 }], options).visible).not.toEqual(alone.visible)
    const tokens = [...alone.visible!, ...alone.masked!].sort((a, b) => a - b)
    expect(tokens).toEqual(Array.from({ length: 64 }, (_, n) => n))
  })

  test('weights the decoded tokens that the encoder did not see under dual masking', () => {
    const decoder = { kind: 'running-cell', ratio: 0.5 } as const
    const predicted = decodedCount(decoder.kind, grid, decoder.ratio)
    const batch = maskInputs([{ epoch: 0, sample: 0 }], { ...options, decoder, predicted })
    expect(batch.masked).toHaveLength(32)
    const seen = new Set(batch.visible as Int32Array)
    expect(Array.from(batch.weight as Float32Array)).toEqual(
      Array.from(batch.masked as Int32Array, (token) => (seen.has(token) ? 0 : 1)),
    )
    expect(batch.weight).toContain(1)
  })
})
