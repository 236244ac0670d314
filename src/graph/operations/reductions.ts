/** Sums and means over axes, and what their gradients are: copies along axes. */
import type { Operation, Tensor } from '../graph.ts'
import { expectShape, spec } from '../shape-rules.ts'

/** Attributes of `sumLeading`. */
export type SumLeadingAttributes = {
  /** Number of last axes that are kept. */
  readonly keep: number
}

/** Sums over the leading axes: x [L..., S] -> [S], with S the last `keep` axes. */
export const sumLeadingOperation: Operation<SumLeadingAttributes> = {
  name: 'sumLeading',
  infer(inputs, { keep }) {
    const ok = inputs.length === 1 && Number.isInteger(keep) && keep >= 0 && keep <= inputs[0].shape.length
    expectShape(ok, 'sumLeading', `rank of at least ${keep}`, inputs)
    return [spec(inputs[0].shape.slice(inputs[0].shape.length - keep))]
  },
  gradient({ inputs: [x], attributes: { keep }, gradients: [dy] }) {
    return [dy && broadcastLeading(dy, x.shape.slice(0, x.shape.length - keep))]
  },
}

/**
 * Returns x itself where there is nothing to sum.
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function sumLeading(x: Tensor, keep: number): Tensor {
  return keep === x.shape.length ? x : x.graph.apply(sumLeadingOperation, [x], { keep })[0]
}

/** Attributes of `broadcastLeading`. */
export type BroadcastLeadingAttributes = {
  /** Sizes of the axes that are put in front. */
  readonly leading: readonly number[]
}

/** Repeats x [S] over new leading axes: [leading..., S]. */
export const broadcastLeadingOperation: Operation<BroadcastLeadingAttributes> = {
  name: 'broadcastLeading',
  infer(inputs, { leading }) {
    expectShape(inputs.length === 1, 'broadcastLeading', 'one tensor', inputs)
    return [spec([...leading, ...inputs[0].shape])]
  },
  gradient({ inputs: [x], gradients: [dy] }) {
    return [dy && sumLeading(dy, x.shape.length)]
  },
}

/**
 * Repeats x [S] over new leading axes: [leading..., S].
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function broadcastLeading(x: Tensor, leading: readonly number[]): Tensor {
  return leading.length === 0 ? x : x.graph.apply(broadcastLeadingOperation, [x], { leading })[0]
}

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

/**
 * Mean over the tokens: x [B, N, D] gives [B, D].
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function meanTokens(x: Tensor): Tensor {
  return x.graph.apply(meanTokensOperation, [x], {})[0]
}

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
