import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { meanTokensGradient } from './mean-tokens-gradient.ts'

/** Mean over tokens: x [B, N, D] -> [B, D]. */
export const meanTokensOperation: Operation<Record<string, never>> = {
  name: 'meanTokens',
  infer(inputs) {
    expectShape(inputs.length === 1 && inputs[0].shape.length === 3, 'meanTokens', 'x [B, N, D]', inputs)
    return [spec([inputs[0].shape[0], inputs[0].shape[2]])]
  },
  gradient({ inputs: [x], gradients: [dy] }) {
    return [dy && meanTokensGradient(dy, x.shape[1])]
  },
}

export function meanTokens(x: Tensor): Tensor {
  return x.graph.apply(meanTokensOperation, [x], {})[0]
}
