import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { sameShape } from '../program.ts'
import { type AttentionAttributes, attentionSizes } from './attention.ts'

/**
 * Gradient of `attention` (Dao et al. 2022, appendix B.2). With P the probabilities of a head, s = 1/sqrt(D / heads):
 * `dv = P^T do`, `dP = do v^T`, `dS = P * (dP - rowsum(do * o))`, `dq = s dS k`, `dk = s dS^T q`; where keys are
 * values, `dx = dk + dv`.
 *
 * Inputs: do [B, Nq, D], o [B, Nq, D], logSumExp [B, heads, Nq], then the packed inputs of `attention`.
 * Outputs: the gradient of each packed input, packed alike.
 */
export const attentionGradientOperation: Operation<AttentionAttributes> = {
  name: 'attentionGradient',
  infer(inputs, { heads }) {
    const [dOutput, o, logSumExp, ...packed] = inputs
    const { batch, queries, width } = attentionSizes('attentionGradient', packed, heads)
    const ok =
      sameShape(dOutput.shape, [batch, queries, width]) &&
      sameShape(o.shape, dOutput.shape) &&
      sameShape(logSumExp.shape, [batch, heads, queries])
    expectShape(ok, 'attentionGradient', 'do and o [B, Nq, D], logSumExp [B, heads, Nq] and the packed inputs', inputs)
    return packed.map(({ shape }) => spec(shape))
  },
  gradient: null,
}

export function attentionGradient(
  dOutput: Tensor,
  o: Tensor,
  logSumExp: Tensor,
  packed: readonly Tensor[],
  heads: number,
): readonly Tensor[] {
  return dOutput.graph.apply(attentionGradientOperation, [dOutput, o, logSumExp, ...packed], { heads })
}
