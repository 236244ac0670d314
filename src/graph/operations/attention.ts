import type { Operation, Tensor } from '../graph.ts'
import { sameShape, type TensorSpec } from '../program.ts'
import { expectShape, spec } from '../shape-rules.ts'

/** Attributes of `attention`. */
export type AttentionAttributes = {
  /** Number of heads; divides the width. */
  readonly heads: number
}

/** Sizes of the inputs of `attention`. */
export interface AttentionSizes {
  /** Sequences. */
  readonly batch: number
  /** Tokens that attend. */
  readonly queries: number
  /** Tokens that are attended to. */
  readonly keys: number
  /** Values of a token, of all heads together. */
  readonly width: number
  /** Values of a token in one head. */
  readonly headWidth: number
  /** Whether the keys are the values, too: inputs [q, x]. */
  readonly sharedKeys: boolean
}

/**
 * Sizes of packed [qkv], [q, kv] or [q, x] inputs.
 *
 * @throws VideoMaeError `SHAPE_MISMATCH`
 */
export function attentionSizes(name: string, packed: readonly TensorSpec[], heads: number): AttentionSizes {
  const [first, kv] = packed
  const width = kv === undefined ? first.shape[2] / 3 : first.shape[2]
  const sharedKeys = kv?.shape[2] === width
  const ok =
    first.shape.length === 3 &&
    heads >= 1 &&
    Number.isInteger(width) &&
    Number.isInteger(width / heads) &&
    (kv === undefined ||
      (kv.shape.length === 3 && kv.shape[0] === first.shape[0] && (sharedKeys || kv.shape[2] === 2 * width)))
  expectShape(
    ok,
    name,
    `[qkv [B, N, 3D]], [q [B, Nq, D], kv [B, Nk, 2D]] or [q, x [B, Nk, D]] with D divisible by ${heads} heads`,
    packed,
  )
  const queries = first.shape[1]
  const keys = kv?.shape[1] ?? queries
  return { batch: first.shape[0], queries, keys, width, headWidth: width / heads, sharedKeys }
}

/**
 * Multi-head scaled dot-product attention (Vaswani et al. 2017, 3.2): `softmax(q k^T / sqrt(D / heads)) v` per head.
 *
 * Inputs: one packed qkv [B, N, 3D] (columns q | k | v, each head-major: head h owns columns h*D/heads onwards), or
 * q [B, Nq, D] and packed kv [B, Nk, 2D], or q and x [B, Nk, D], which serves as keys and as values.
 * Outputs: o [B, Nq, D] and the logarithm of each softmax denominator [B, heads, Nq], from which a gradient can
 * recompute the probabilities. An engine that keeps the probabilities instead may leave that output out when nothing
 * outside its own gradient reads it.
 */
export const attentionOperation: Operation<AttentionAttributes> = {
  name: 'attention',
  infer(inputs, { heads }) {
    const { batch, queries, width } = attentionSizes('attention', inputs, heads)
    return [spec([batch, queries, width]), spec([batch, heads, queries])]
  },
  gradient({ inputs, outputs: [o, logSumExp], attributes: { heads }, gradients: [dOutput] }) {
    return dOutput === null ? inputs.map(() => null) : attentionGradient(dOutput, o, logSumExp, inputs, heads)
  },
}

/**
 * Multi-head attention, as one operation: softmax(q k^T / sqrt(width of a head)) v.
 *
 * @param packed `[qkv]`, `[q, kv]` or `[q, x]`
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function attention(packed: readonly [Tensor] | readonly [Tensor, Tensor], heads: number): Tensor {
  return packed[0].graph.apply(attentionOperation, packed, { heads })[0]
}

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
