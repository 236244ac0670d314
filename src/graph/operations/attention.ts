import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import type { TensorSpec } from '../program.ts'
import { attentionGradient } from './attention-gradient.ts'

export type AttentionAttributes = { readonly heads: number }

export interface AttentionSizes {
  readonly batch: number
  readonly queries: number
  readonly keys: number
  readonly width: number
  readonly headWidth: number
  /** Whether the keys are the values, too: inputs [q, x]. */
  readonly sharedKeys: boolean
}

/** Sizes of packed [qkv], [q, kv] or [q, x] inputs. Throws `SHAPE_MISMATCH`. */
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

/** @param packed `[qkv]`, `[q, kv]` or `[q, x]` */
export function attention(packed: readonly [Tensor] | readonly [Tensor, Tensor], heads: number): Tensor {
  return packed[0].graph.apply(attentionOperation, packed, { heads })[0]
}
