/**
 * LayerScale, learned positions and attention without biases. Oracles: the same function written with parameters that the plain model
 * has (scales folded into the last matrices, the table as the constant), and finite differences in float64.
 */
import { describe, expect, test } from 'vitest'
import {
  randomClips,
  randomMasks,
  relativeDifference,
  runOnce,
  shakenState,
  tinyConfiguration,
} from '../../test/support/tiny-model.ts'
import { buildClassifyProgram, buildFinetuneProgram } from './classify.ts'
import type { ModelConfiguration } from './configuration.ts'
import { initialize } from './initialize.ts'
import { decays, layerWiseScale, parameterShapes } from './parameters.ts'
import { positionTable, withPositionsFor } from './positions.ts'
import { buildPretrainProgram } from './pretrain.ts'
import { gradientOutput } from './training-programs.ts'

const size = {
  encoder: { width: 12, depth: 2, heads: 3, mlpRatio: 2 },
  decoder: { width: 8, depth: 2, heads: 2, mlpRatio: 2 },
}
const scaled = tinyConfiguration({
  encoder: { ...size.encoder, layerScale: true },
  decoder: { ...size.decoder, layerScale: true },
})
const learned = tinyConfiguration({ positions: 'learned' })
const unbiased = tinyConfiguration({ attentionBias: false })
const everything = tinyConfiguration({
  encoder: { ...size.encoder, layerScale: true },
  positions: 'learned',
  attentionBias: false,
  useMeanPooling: false,
})

async function pretrainLoss(configuration: ModelConfiguration, state: ReadonlyMap<string, Float32Array>) {
  const { visible, masked, counts } = randomMasks(configuration, 2)
  const { programs } = buildPretrainProgram({ configuration, batch: 2, ...counts, prediction: true })
  return runOnce(programs[0], state, { frames: randomClips(configuration, 2), visible, masked })
}

const logitsOf = async (configuration: ModelConfiguration, state: ReadonlyMap<string, Float32Array>) =>
  (
    await runOnce(buildClassifyProgram({ configuration, batch: 2, classes: 3 }), state, {
      frames: randomClips(configuration, 2),
    })
  ).logits

/** gamma * (W x + b) = (gamma W) x + gamma b */
function folded(state: ReadonlyMap<string, Float32Array>): Map<string, Float32Array> {
  const plain = new Map(state)
  for (const [name, gamma] of state) {
    const match = /^(.*)\.gamma_([12])$/.exec(name)
    if (match === null) continue
    plain.delete(name)
    const layer = `${match[1]}.${match[2] === '1' ? 'attn.proj' : 'mlp.fc2'}`
    for (const part of ['weight', 'bias']) {
      const values = state.get(`${layer}.${part}`)!
      const columns = values.length / gamma.length
      plain.set(
        `${layer}.${part}`,
        values.map((value, i) => value * gamma[Math.floor(i / columns)]),
      )
    }
  }
  return plain
}

describe('LayerScale', () => {
  test('is the plain model with scales folded into the last matrix of each branch', async () => {
    const state = shakenState(parameterShapes(scaled, 'pretrain'))
    expect([...state.keys()].filter((name) => name.includes('gamma_'))).toHaveLength(8)
    const [a, b] = [await pretrainLoss(scaled, state), await pretrainLoss(tinyConfiguration(), folded(state))]
    expect(relativeDifference(a.prediction, b.prediction)).toBeLessThan(1e-5)
    for (const useMeanPooling of [true, false]) {
      const of = (configuration: ModelConfiguration) => ({ ...configuration, useMeanPooling })
      const classify = shakenState(parameterShapes(of(scaled), 'classify', 3))
      const difference = relativeDifference(
        await logitsOf(of(scaled), classify),
        await logitsOf(of(tinyConfiguration()), folded(classify)),
      )
      expect(difference).toBeLessThan(1e-5)
    }
  })
})

describe('learned positions', () => {
  test('with the fixed table as their values are the plain model; with others they are not', async () => {
    const state = shakenState(parameterShapes(learned, 'pretrain'))
    const other = await pretrainLoss(learned, state)
    state.set('encoder.pos_embed', positionTable(tinyConfiguration(), 12))
    const [a, b] = [await pretrainLoss(learned, state), await pretrainLoss(tinyConfiguration(), state)]
    expect(a.prediction).toEqual(b.prediction)
    expect(relativeDifference(other.prediction, b.prediction)).toBeGreaterThan(1e-3)
    const classify = shakenState(parameterShapes(learned, 'classify', 3))
    classify.set('encoder.pos_embed', positionTable(tinyConfiguration(), 12))
    expect(await logitsOf(learned, classify)).toEqual(await logitsOf(tinyConfiguration(), classify))
  })

  test('are interpolated to another grid, and stay as they are on their own', () => {
    const state = shakenState(parameterShapes(learned, 'encoder'))
    expect(withPositionsFor(state, learned, learned).get('encoder.pos_embed')).toEqual(state.get('encoder.pos_embed'))
    const larger = tinyConfiguration({ positions: 'learned', imageSize: [8, 16] })
    const resized = withPositionsFor(state, learned, larger).get('encoder.pos_embed')!
    expect(resized.length).toBe(2 * 2 * 4 * 12)
    const constant = new Map(state).set('encoder.pos_embed', new Float32Array(96).fill(0.25))
    for (const value of withPositionsFor(constant, learned, larger).get('encoder.pos_embed')!) {
      expect(value).toBeCloseTo(0.25, 6)
    }
  })

  test('do not decay, learn as slowly as the patch embedding, and start near zero', () => {
    const shapes = parameterShapes(everything, 'classify', 3)
    expect(shapes.get('encoder.pos_embed')).toEqual([8, 12])
    expect(decays('encoder.pos_embed', [8, 12])).toBe(false)
    expect(decays('encoder.blocks.0.gamma_1', [12])).toBe(false)
    expect(decays('encoder.blocks.0.mlp.fc1.weight', [24, 12])).toBe(true)
    const scale = layerWiseScale(2, 0.5)
    expect(scale('encoder.pos_embed')).toBe(scale('encoder.patch_embed.proj.weight'))
    expect(scale('encoder.blocks.1.gamma_2')).toBe(scale('encoder.blocks.1.norm1.weight'))
    const fresh = initialize(shapes, 1, 'finetune')
    expect(fresh.get('encoder.blocks.1.gamma_2')).toEqual(new Float32Array(12).fill(0.1))
    expect(Math.max(...fresh.get('encoder.pos_embed')!.map(Math.abs))).toBeLessThan(0.1)
    expect(Math.max(...initialize(shapes, 1, 'pretrain').get('encoder.pos_embed')!.map(Math.abs))).toBeLessThanOrEqual(
      0.02,
    )
  })
})

describe('attention without biases', () => {
  test('is the plain model with biases of zero, token by token and with a last block of one token', async () => {
    for (const useMeanPooling of [true, false]) {
      const of = (configuration: ModelConfiguration) => ({ ...configuration, useMeanPooling })
      const state = shakenState(parameterShapes(of(unbiased), 'classify', 3))
      expect([...state.keys()].some((name) => /attn\.[qv]_bias$/.test(name))).toBe(false)
      const plain = new Map(state)
      for (const block of [0, 1])
        for (const bias of ['q_bias', 'v_bias']) plain.set(`encoder.blocks.${block}.attn.${bias}`, new Float32Array(12))
      expect(await logitsOf(of(unbiased), state)).toEqual(await logitsOf(of(tinyConfiguration()), plain))
    }
  })
})

describe('gradients', () => {
  test('of scales, positions and matrices agree with finite differences in float64', async () => {
    const shapes = parameterShapes(everything, 'classify', 3)
    const state = shakenState(shapes)
    const inputs = { frames: randomClips(everything, 2), targets: Float32Array.of(1, 0, 0, 0, 0.5, 0.5) }
    const { programs } = buildFinetuneProgram({
      configuration: everything,
      batch: 2,
      classes: 3,
      optimizer: null,
      gradients: true,
    })
    const outputs = await runOnce(programs[0], state, inputs)
    const step = 2 ** -10
    const lossAt = async (name: string, index: number, move: number) => {
      const moved = Float32Array.from(state.get(name)!)
      moved[index] += move
      return { at: moved[index], loss: (await runOnce(programs[0], new Map(state).set(name, moved), inputs)).loss[0] }
    }
    for (const name of [
      'encoder.pos_embed',
      'encoder.blocks.0.gamma_1',
      'encoder.blocks.1.gamma_2',
      'encoder.blocks.0.attn.qkv.weight',
    ]) {
      for (const index of [0, 5]) {
        const [up, down] = [await lossAt(name, index, step), await lossAt(name, index, -step)]
        // Losses come back in float32, so the difference has about 4 digits.
        expect(outputs[gradientOutput(name)][index], `${name} ${index}`).toBeCloseTo(
          (up.loss - down.loss) / (up.at - down.at),
          3,
        )
      }
    }
  })
})
