import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { scatterTokens } from './scatter-tokens.ts'

/** Picks tokens per sample: x [B, N, D], indices int32 [B, M] in [0, N) -> [B, M, D]. */
export const gatherTokensOperation: Operation<Record<string, never>> = {
  name: 'gatherTokens',
  integerInputs: [1],
  infer(inputs) {
    const [x, indices] = inputs
    const ok =
      inputs.length === 2 &&
      x.shape.length === 3 &&
      indices.shape.length === 2 &&
      indices.dtype === 'int32' &&
      indices.shape[0] === x.shape[0]
    expectShape(ok, 'gatherTokens', 'x [B, N, D] and int32 indices [B, M]', inputs)
    return [spec([x.shape[0], indices.shape[1], x.shape[2]])]
  },
  gradient({ inputs: [x, indices], gradients: [dy] }) {
    return [dy && scatterTokens(dy, indices, x.shape[1]), null]
  },
}

export function gatherTokens(x: Tensor, indices: Tensor): Tensor {
  return x.graph.apply(gatherTokensOperation, [x, indices], {})[0]
}
