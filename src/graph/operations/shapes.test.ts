/** What comes out of every shape rule is computed by the engine tests; here is what each of them refuses. */
import { expect, test } from 'vitest'
import { Graph, type Tensor } from '../graph.ts'
import type { DataType } from '../program.ts'
import { attention, attentionGradient } from './attention.ts'
import { absolute, add, gelu, geluGradient, multiply, scale, scaleSamples, squareRoot } from './elementwise.ts'
import { type OperationName, operations } from './index.ts'
import { layerNorm, layerNormGradient } from './layer-norm.ts'
import { linear, linearInputGradient, linearParameterGradient } from './linear.ts'
import {
  meanSquaredError,
  meanSquaredErrorGradient,
  softmax,
  softmaxCrossEntropy,
  softmaxCrossEntropyGradient,
} from './losses.ts'
import { concat, gatherRows, gatherTokens, pad, reshape, scatterTokens, slice } from './movement.ts'
import { patchify, patchTargets } from './patches.ts'
import { broadcastLeading, meanTokens, meanTokensGradient, sumLeading } from './reductions.ts'

type Make = (...shape: readonly number[]) => Tensor
type Attempt = (float: Make, int: Make, byte: Make) => unknown

const pixels = { tubelet: 2, patch: 2, mean: [0.5, 0.5, 0.5], std: [1, 1, 1], layout: 'BTHWC' } as const
const cut = { tubelet: 2, patch: 2, normalize: true }

const refused: { readonly [K in OperationName]: readonly Attempt[] } = {
  add: [(f) => add(f(2, 3), f(2)), (f) => add(f(3), f(2, 3)), (f, i) => add(f(3), i(3))],
  multiply: [(f) => multiply(f(2, 3), f(2, 1)), (f, _, b) => multiply(b(3), f(3))],
  scale: [(_, i) => scale(i(3), 2)],
  scaleSamples: [(f) => scaleSamples(f(2, 3), f(3)), (f) => scaleSamples(f(2, 3), f(2, 1))],
  sumLeading: [(f) => sumLeading(f(2, 3), 3), (f) => sumLeading(f(2, 3), -1), (f) => sumLeading(f(2, 3), 0.5)],
  broadcastLeading: [(_, i) => broadcastLeading(i(2), [3]), (f) => broadcastLeading(f(2), [0])],
  reshape: [(f) => reshape(f(2, 3), [5])],
  slice: [
    (f) => slice(f(2, 3), 1, 2, 2),
    (f) => slice(f(2, 3), 1, -1, 2),
    (f) => slice(f(2, 3), 2, 0, 1),
    (f) => slice(f(2, 3), -1, 0, 1),
    (f) => slice(f(2, 3), 1, 0, 0),
  ],
  pad: [(f) => pad(f(2, 3), 2, 1, 1), (f) => pad(f(2, 3), -1, 1, 1), (f) => pad(f(2, 3), 1, -1, 1)],
  concat: [
    (f) => concat([f(2, 3), f(3, 3)], 1),
    (f) => concat([f(2, 3), f(2, 3, 1)], 0),
    (f) => concat([f(2, 3)], 2),
    (f) => concat([f(2, 3)], -1),
  ],
  gatherTokens: [
    (f) => gatherTokens(f(2, 4, 3), f(2, 2)),
    (f, i) => gatherTokens(f(2, 4, 3), i(3, 2)),
    (f, i) => gatherTokens(f(2, 4), i(2, 2)),
  ],
  scatterTokens: [
    (f) => scatterTokens(f(2, 4, 3), f(2, 4), 5),
    (f, i) => scatterTokens(f(2, 4, 3), i(2, 3), 5),
    (f, i) => scatterTokens(f(2, 4, 3), i(2, 4), 0),
  ],
  gatherRows: [
    (f) => gatherRows(f(4, 3), f(2, 2)),
    (f, i) => gatherRows(f(4), i(2, 2)),
    (_, i) => gatherRows(i(4, 3), i(2, 2)),
  ],
  meanTokens: [(f) => meanTokens(f(2, 3))],
  meanTokensGradient: [(f) => meanTokensGradient(f(2, 3, 4), 5), (f) => meanTokensGradient(f(2, 3), 0)],
  linear: [
    (f) => linear(f(2, 3), f(4, 5)),
    (f) => linear(f(2, 3), f(4, 3), f(3)),
    (f) => linear(f(3), f(4, 3)),
    (f, _, b) => linear(b(2, 3), f(4, 3)),
  ],
  linearInputGradient: [(f) => linearInputGradient(f(2, 3), f(4, 5))],
  linearParameterGradient: [(f) => linearParameterGradient(f(2, 3), f(3, 4), true)],
  absolute: [(_, i) => absolute(i(3))],
  squareRoot: [(_, i) => squareRoot(i(3))],
  gelu: [(_, i) => gelu(i(3))],
  geluGradient: [(f) => geluGradient(f(3), f(2))],
  layerNorm: [(f) => layerNorm(f(2, 3), f(2), f(3), 1e-6), (f) => layerNorm(f(2, 3), f(3), f(1, 3), 1e-6)],
  layerNormGradient: [
    (f) => layerNormGradient(f(2, 3), f(2, 4), f(4), f(2), f(2)),
    (f) => layerNormGradient(f(2, 3), f(2, 3), f(2), f(2), f(2)),
    (f) => layerNormGradient(f(2, 3), f(2, 3), f(3), f(3), f(2)),
  ],
  attention: [
    (f) => attention([f(2, 4, 10)], 2),
    (f) => attention([f(2, 4, 18)], 4),
    (f) => attention([f(2, 4, 18)], 0),
    (f) => attention([f(2, 4, 18)], -2),
    (f) => attention([f(2, 4, 6), f(2, 5, 9)], 2),
    (f) => attention([f(2, 4, 6), f(3, 5, 12)], 2),
  ],
  attentionGradient: [
    (f) => attentionGradient(f(2, 4, 6), f(2, 4, 6), f(2, 4), [f(2, 4, 18)], 2),
    (f) => attentionGradient(f(2, 5, 6), f(2, 4, 6), f(2, 2, 4), [f(2, 4, 18)], 2),
  ],
  meanSquaredError: [
    (f) => meanSquaredError(f(2, 3), f(2, 3)),
    (f) => meanSquaredError(f(2, 3, 4), f(2, 4, 3)),
    (f) => meanSquaredError(f(2, 3, 4), f(2, 3, 4), f(2, 4)),
  ],
  meanSquaredErrorGradient: [
    (f) => meanSquaredErrorGradient(f(1), f(2, 3, 4), f(2, 3, 4), null),
    (f) => meanSquaredErrorGradient(f(), f(2, 3, 4), f(2, 3, 5), null),
  ],
  softmax: [(f) => softmax(f())],
  softmaxCrossEntropy: [(f) => softmaxCrossEntropy(f(2, 3), f(2, 4)), (f, i) => softmaxCrossEntropy(f(2, 3), i(2, 3))],
  softmaxCrossEntropyGradient: [(f) => softmaxCrossEntropyGradient(f(1), f(2, 3), f(2, 3))],
  patchify: [
    (_, __, b) => patchify(b(1, 3, 4, 4, 3), null, pixels),
    (_, __, b) => patchify(b(1, 2, 5, 4, 3), null, pixels),
    (_, __, b) => patchify(b(1, 2, 4, 4, 1), null, pixels),
    (_, i) => patchify(i(1, 2, 4, 4, 3), null, pixels),
    (f, _, b) => patchify(b(1, 2, 4, 4, 3), f(1, 2), pixels),
    (_, i, b) => patchify(b(1, 2, 4, 4, 3), i(2, 2), pixels),
    (_, __, b) => patchify(b(1, 2, 4, 4, 3), null, { ...pixels, layout: 'BTCHW' }),
  ],
  patchTargets: [
    (f, i) => patchTargets(f(1, 2, 4, 4, 3), i(1, 2), cut),
    (_, i, b) => patchTargets(b(1, 2, 4, 5, 3), i(1, 2), cut),
    (_, i, b) => patchTargets(b(1, 2, 4, 4, 3), i(1, 2), { tubelet: 1, patch: 1, normalize: true }),
  ],
}

test('every operation is tried', () => {
  expect(Object.keys(refused).sort()).toEqual(Object.keys(operations).sort())
})

test.each(Object.keys(refused) as OperationName[])('%s refuses shapes and types that do not fit', (name) => {
  const graph = new Graph('test')
  let count = 0
  const make =
    (dtype: DataType): Make =>
    (...shape) =>
      graph.input(`${count++}`, shape, dtype)
  for (const attempt of refused[name]) {
    expect(() => attempt(make('float32'), make('int32'), make('uint8')), attempt.toString()).toThrow(
      expect.objectContaining({ code: 'SHAPE_MISMATCH' }),
    )
  }
})
