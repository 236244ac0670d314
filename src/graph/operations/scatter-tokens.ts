import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { gatherTokens } from './gather-tokens.ts'

export type ScatterTokensAttributes = { readonly tokens: number }

/**
 * The transpose of `gatherTokens`: y [B, M, D], int32 indices [B, M] -> [B, tokens, D], zero where no index points,
 * summed where several do.
 */
export const scatterTokensOperation: Operation<ScatterTokensAttributes> = {
  name: 'scatterTokens',
  integerInputs: [1],
  infer(inputs, { tokens }) {
    const [y, indices] = inputs
    const ok =
      inputs.length === 2 &&
      y.shape.length === 3 &&
      indices.dtype === 'int32' &&
      indices.shape.length === 2 &&
      indices.shape[0] === y.shape[0] &&
      indices.shape[1] === y.shape[1]
    expectShape(ok, 'scatterTokens', 'y [B, M, D] and int32 indices [B, M]', inputs)
    return [spec([y.shape[0], tokens, y.shape[2]])]
  },
  gradient({ inputs: [, indices], gradients: [dy] }) {
    return [dy && gatherTokens(dy, indices), null]
  },
}

export function scatterTokens(y: Tensor, indices: Tensor, tokens: number): Tensor {
  return y.graph.apply(scatterTokensOperation, [y, indices], { tokens })[0]
}
