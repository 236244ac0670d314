import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'

export type MeanTokensGradientAttributes = { readonly tokens: number }

/** Gradient of `meanTokens`: dy [B, D] -> dx [B, tokens, D], each token dy / tokens. */
export const meanTokensGradientOperation: Operation<MeanTokensGradientAttributes> = {
  name: 'meanTokensGradient',
  infer(inputs, { tokens }) {
    expectShape(inputs.length === 1 && inputs[0].shape.length === 2, 'meanTokensGradient', 'dy [B, D]', inputs)
    return [spec([inputs[0].shape[0], tokens, inputs[0].shape[1]])]
  },
  gradient: null,
}

export function meanTokensGradient(dy: Tensor, tokens: number): Tensor {
  return dy.graph.apply(meanTokensGradientOperation, [dy], { tokens })[0]
}
