/**
 * Oracle: PyTorch in float64 (operations.json, written by operations.py). The reference engine's operations give the
 * same numbers to 12 digits, gradients and AdamW included, so a formula misread twice cannot hide.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { evaluate } from '../../../src/engine/reference/evaluate.ts'
import { applyUpdates } from '../../../src/engine/reference/updates.ts'
import { Graph, type Tensor } from '../../../src/graph/graph.ts'
import { attentionGradient, attentionOperation } from '../../../src/graph/operations/attention.ts'
import { gelu, geluGradient } from '../../../src/graph/operations/elementwise.ts'
import { layerNormGradient, layerNormOperation } from '../../../src/graph/operations/layer-norm.ts'
import { linear, linearInputGradient, linearParameterGradient } from '../../../src/graph/operations/linear.ts'
import {
  meanSquaredError,
  meanSquaredErrorGradient,
  softmax,
  softmaxCrossEntropy,
  softmaxCrossEntropyGradient,
} from '../../../src/graph/operations/losses.ts'
import { gatherRows, gatherTokens, scatterTokens } from '../../../src/graph/operations/movement.ts'
import { patchify, patchTargets } from '../../../src/graph/operations/patches.ts'
import { meanTokens, meanTokensGradient } from '../../../src/graph/operations/reductions.ts'
import { type AdamwEntry, elementCount } from '../../../src/graph/program.ts'
import { relativeError } from '../../support/case-builder.ts'

const golden = JSON.parse(readFileSync(new URL('./operations.json', import.meta.url), 'utf8')) as Record<
  string,
  number[][]
>

/** The inputs that operations.py uses. */
function wave(count: number, phase: number, factor = 1): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => Math.sin(0.7 * i + phase) * 1.5 * factor)
}

class Inputs {
  readonly graph = new Graph('golden')
  readonly values: Record<string, ArrayLike<number>> = {}

  wave(shape: readonly number[], phase: number, factor = 1): Tensor {
    return this.given(shape, wave(elementCount(shape), phase, factor))
  }

  given(shape: readonly number[], values: ArrayLike<number>, dtype: 'float32' | 'int32' | 'uint8' = 'float32'): Tensor {
    const name = `input${Object.keys(this.values).length}`
    this.values[name] = values
    return this.graph.input(name, shape, dtype)
  }
}

/** Softmax of the wave of phase 1.8 over rows of 5. */
function softTargets(): number[] {
  const x = wave(15, 1.8)
  return [...x].map((value, i) => {
    const row = x.subarray(i - (i % 5), i - (i % 5) + 5)
    return Math.exp(value) / row.reduce((sum, entry) => sum + Math.exp(entry), 0)
  })
}

const softmaxed = softTargets()
const weights = [1, 0, 2, 0, 0.5, 1]

function video(inputs: Inputs): Tensor {
  const shape = [2, 4, 4, 6, 3]
  const values = Array.from({ length: elementCount(shape) }, (_, i) => (37 * i + Math.floor((i * i) / 7)) % 256)
  for (const t of [0, 1]) {
    for (const y of [0, 1]) for (const x of [0, 1]) values[((t * 4 + y) * 6 + x) * 3 + 1] = 77
  }
  return inputs.given(shape, values, 'uint8')
}

const picked = (inputs: Inputs): Tensor => inputs.given([2, 3], [0, 7, 3, 11, 5, 5], 'int32')
const cut = { tubelet: 2, patch: 2 }
const pixels = { ...cut, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], layout: 'BTHWC' } as const

/** Forward and gradient of attention on given leaves; `part` says which are returned. */
function attend(leaves: readonly Tensor[], dO: Tensor, gradient: boolean): readonly Tensor[] {
  const outputs = dO.graph.apply(attentionOperation, leaves, { heads: 2 })
  return gradient ? attentionGradient(dO, outputs[0], outputs[1], leaves, 2) : outputs
}

const packed = (i: Inputs): [Tensor[], Tensor] => [[i.wave([2, 4, 18], 1.1)], i.wave([2, 4, 6], 1.2)]
const separate = (i: Inputs): [Tensor[], Tensor] => [
  [i.wave([2, 3, 6], 1.3), i.wave([2, 5, 12], 1.4)],
  i.wave([2, 3, 6], 1.5),
]
const norm = (i: Inputs): readonly Tensor[] => [i.wave([2, 3, 6], 0.7), i.wave([6], 0.8), i.wave([6], 0.9)]

const builders: Readonly<Record<string, (inputs: Inputs) => readonly (Tensor | null)[]>> = {
  linear: (i) => [linear(i.wave([2, 3, 4], 0.1), i.wave([5, 4], 0.2), i.wave([5], 0.3))],
  linearInputGradient: (i) => [linearInputGradient(i.wave([2, 3, 5], 0.4), i.wave([5, 4], 0.2))],
  linearParameterGradient: (i) =>
    Object.values(linearParameterGradient(i.wave([2, 3, 5], 0.4), i.wave([2, 3, 4], 0.1), true)),
  gelu: (i) => [gelu(i.wave([12], 0.5, 4))],
  geluGradient: (i) => [geluGradient(i.wave([12], 0.6), i.wave([12], 0.5, 4))],
  layerNorm: (i) => i.graph.apply(layerNormOperation, norm(i), { epsilon: 1e-6 }),
  layerNormGradient: (i) => {
    const [x, gamma, beta] = norm(i)
    const [, mean, inverse] = i.graph.apply(layerNormOperation, [x, gamma, beta], { epsilon: 1e-6 })
    return Object.values(layerNormGradient(i.wave([2, 3, 6], 1.0), x, gamma, mean, inverse))
  },
  'attention packed': (i) => attend(...packed(i), false),
  'attentionGradient packed': (i) => attend(...packed(i), true),
  attention: (i) => attend(...separate(i), false),
  attentionGradient: (i) => attend(...separate(i), true),
  softmax: (i) => [softmax(i.wave([3, 5], 1.6, 100))],
  softmaxCrossEntropy: (i) => [softmaxCrossEntropy(i.wave([3, 5], 1.7), i.given([3, 5], softmaxed))],
  softmaxCrossEntropyGradient: (i) => [
    softmaxCrossEntropyGradient(i.given([], [3]), i.wave([3, 5], 1.7), i.given([3, 5], softmaxed)),
  ],
  meanSquaredError: (i) => [meanSquaredError(i.wave([2, 3, 4], 1.9), i.wave([2, 3, 4], 2.0))],
  meanSquaredErrorGradient: (i) => [
    meanSquaredErrorGradient(i.given([], [3]), i.wave([2, 3, 4], 1.9), i.wave([2, 3, 4], 2.0), null),
  ],
  'meanSquaredError weighted': (i) => [
    meanSquaredError(i.wave([2, 3, 4], 1.9), i.wave([2, 3, 4], 2.0), i.given([2, 3], weights)),
  ],
  'meanSquaredErrorGradient weighted': (i) => [
    meanSquaredErrorGradient(
      i.given([], [3]),
      i.wave([2, 3, 4], 1.9),
      i.wave([2, 3, 4], 2.0),
      i.given([2, 3], weights),
    ),
  ],
  meanTokens: (i) => [meanTokens(i.wave([2, 3, 4], 2.1))],
  meanTokensGradient: (i) => [meanTokensGradient(i.wave([2, 4], 2.2), 3)],
  gatherTokens: (i) => [gatherTokens(i.wave([2, 3, 4], 2.3), i.given([2, 2], [2, 0, 1, 1], 'int32'))],
  scatterTokens: (i) => [scatterTokens(i.wave([2, 2, 4], 2.4), i.given([2, 2], [2, 0, 1, 1], 'int32'), 3)],
  gatherRows: (i) => [gatherRows(i.wave([3, 4], 2.5), i.given([2, 2], [2, 0, 1, 1], 'int32'))],
  patchify: (i) => [patchify(video(i), null, pixels)],
  'patchify picked': (i) => [patchify(video(i), picked(i), pixels)],
  patchTargets: (i) => [patchTargets(video(i), picked(i), { ...cut, normalize: false })],
  'patchTargets normalized': (i) => [patchTargets(video(i), picked(i), { ...cut, normalize: true })],
}

describe('operations give the numbers of PyTorch', () => {
  test('every golden entry is used', () => {
    expect([...Object.keys(builders), 'adamw'].sort()).toEqual(Object.keys(golden).sort())
  })

  test.each(Object.keys(builders))('%s', (name) => {
    const inputs = new Inputs()
    const outputs = builders[name](inputs).filter((tensor) => tensor !== null)
    const program = inputs.graph.build(Object.fromEntries(outputs.map((tensor, i) => [`${i}`, tensor])))
    const values = evaluate(program, inputs.values, new Map())
    expect(outputs).toHaveLength(golden[name].length)
    for (const [i, expected] of golden[name].entries()) {
      expect(relativeError(values.get(outputs[i].id)!, expected)).toBeLessThan(1e-12)
    }
  })
})

test('four AdamW steps with clipping, decay and learning-rate scales give the numbers of torch.optim.AdamW', () => {
  const graph = new Graph('adamw')
  const sizes = { p: 6, r: 4 }
  const entries = Object.entries(sizes).map(([name, size]): AdamwEntry => {
    for (const suffix of ['', '.m', '.v']) graph.state(name + suffix, [size])
    return {
      parameter: name,
      gradient: { tensor: graph.input(`d${name}`, [size]).id },
      firstMoment: `${name}.m`,
      secondMoment: `${name}.v`,
      decayScale: name === 'p' ? 1 : 0,
      learningRateScale: name === 'p' ? 1 : 0.5,
    }
  })
  const program = graph.build({}, [
    {
      kind: 'adamw',
      entries,
      learningRate: graph.input('learningRate', []).id,
      weightDecay: graph.input('weightDecay', []).id,
      step: graph.input('step', []).id,
      beta1: 0.9,
      beta2: 0.95,
      epsilon: 1e-8,
      gradientScale: 0.5,
      clipNorm: 1.65,
      gradientNormOutput: 'norm',
    },
  ])
  const state = new Map([
    ['p', wave(6, 2.6)],
    ['r', wave(4, 2.7)],
    ...['p.m', 'p.v'].map((name) => [name, new Float64Array(6)] as const),
    ...['r.m', 'r.v'].map((name) => [name, new Float64Array(4)] as const),
  ])
  const norms: number[] = []
  for (let step = 0; step < 4; step++) {
    const rates = { learningRate: [1e-2], weightDecay: [0.1], step: [step + 1] }
    const values = evaluate(program, { ...rates, dp: wave(6, 3 + step), dr: wave(4, 4 + step) }, state)
    norms.push(applyUpdates(program, values, state).get('norm')!)
  }
  // The fixture is worth nothing if no step, or every step, was clipped.
  expect(norms.some((norm) => norm > 1.65) && norms.some((norm) => norm < 1.65)).toBe(true)
  const results = [...['p', 'r', 'p.m', 'p.v', 'r.m', 'r.v'].map((name) => [...state.get(name)!]), norms]
  for (const [i, expected] of golden.adamw.entries()) {
    expect(relativeError(results[i], expected)).toBeLessThan(1e-12)
  }
})
