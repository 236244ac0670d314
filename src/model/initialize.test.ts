import { describe, expect, test } from 'vitest'
import { resolveConfiguration } from './configuration.ts'
import { initialize } from './initialize.ts'
import { parameterShapes } from './parameters.ts'

const configuration = resolveConfiguration({
  encoder: { width: 64, depth: 2, heads: 4 },
  decoder: { width: 32, depth: 2, heads: 2 },
  imageSize: 32,
  frames: 4,
})

function statistics(values: Float32Array) {
  let largest = 0
  let squares = 0
  for (const value of values) {
    largest = Math.max(largest, Math.abs(value))
    squares += value * value
  }
  return { largest, deviation: Math.sqrt(squares / values.length) }
}

describe('initialize', () => {
  const shapes = parameterShapes(configuration, 'pretrain')
  const state = initialize(shapes, 3)
  const of = (name: string, from = state) => statistics(from.get(name)!)

  /** A uniform draw on [-bound, bound]: nearly reaches the bound, never passes it, deviation bound / sqrt(3). */
  const expectUniform = (name: string, bound: number) => {
    const { largest, deviation } = of(name)
    expect(largest).toBeLessThanOrEqual(bound * (1 + 1e-6))
    expect(largest).toBeGreaterThan(0.9 * bound)
    expect(deviation).toBeGreaterThan((0.9 * bound) / Math.sqrt(3))
    expect(deviation).toBeLessThan((1.1 * bound) / Math.sqrt(3))
  }

  test('draws pretraining weights as the original does', () => {
    expect([...state.keys()]).toEqual([...shapes.keys()])
    expectUniform('encoder.blocks.0.attn.qkv.weight', Math.sqrt(6 / (64 + 192)))
    expectUniform('encoder.blocks.1.mlp.fc1.weight', Math.sqrt(6 / (64 + 256)))
    expectUniform('decoder.blocks.0.attn.proj.weight', Math.sqrt(6 / 64))
    expectUniform('decoder.head.weight', Math.sqrt(6 / (32 + 1536)))
    expectUniform('encoder.patch_embed.proj.weight', 1 / Math.sqrt(1536))
    expectUniform('encoder_to_decoder.weight', 1 / Math.sqrt(64))
    expect(of('encoder.patch_embed.proj.bias').largest).toBeGreaterThan(0)
    expect(of('encoder.patch_embed.proj.bias').largest).toBeLessThanOrEqual(0.02552)
    expect(of('mask_token').largest).toBeLessThanOrEqual(0.02)
    expect(of('mask_token').largest).toBeGreaterThan(0)
    for (const name of ['encoder.blocks.0.attn.q_bias', 'decoder.blocks.1.attn.v_bias', 'decoder.head.bias']) {
      expect(of(name).largest).toBe(0)
    }
    expect(new Set(state.get('encoder.norm.weight'))).toEqual(new Set([1]))
    expect(new Set(state.get('decoder.blocks.1.norm2.weight'))).toEqual(new Set([1]))
    expect(new Set(state.get('decoder.norm.bias'))).toEqual(new Set([0]))
  })

  test('draws fine-tuning weights as the original does', () => {
    const classifier = initialize(parameterShapes(configuration, 'classify', 10), 3, 'finetune')
    expect(of('encoder.blocks.0.attn.qkv.weight', classifier).deviation).toBeCloseTo(0.02, 3)
    expect(of('head.weight', classifier).deviation).toBeCloseTo(0.00002, 5)
    expect(of('head.weight', classifier).deviation).toBeGreaterThan(0.000017)
    expect(of('head.bias', classifier).largest).toBe(0)
    expect(new Set(classifier.get('fc_norm.weight'))).toEqual(new Set([1]))
  })

  test('depends on seed and name alone', () => {
    const reversed = initialize(new Map([...shapes].reverse()), 3)
    for (const [name, values] of state) expect(reversed.get(name)).toEqual(values)
    const other = initialize(shapes, 4)
    expect(other.get('mask_token')).not.toEqual(state.get('mask_token'))
    const first = state.get('encoder.blocks.0.mlp.fc1.weight')
    expect(state.get('encoder.blocks.1.mlp.fc1.weight')).not.toEqual(first)
  })

  test('refuses a name it does not know', () => {
    expect(() => initialize(new Map([['encoder.cls', [64]]]), 1)).toThrow(/encoder\.cls \[64\]/)
  })
})
