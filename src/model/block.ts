import type { Tensor } from '../graph/graph.ts'
import { attention } from '../graph/operations/attention.ts'
import { add, gelu, multiply, scaleSamples } from '../graph/operations/elementwise.ts'
import { layerNorm } from '../graph/operations/layer-norm.ts'
import { linear } from '../graph/operations/linear.ts'
import { concat, slice } from '../graph/operations/movement.ts'
import type { TransformerSize } from './configuration.ts'

/** A run of tokens along axis 1. */
export interface TokenRange {
  readonly start: number
  readonly size: number
}

/** What each residual branch of a block is multiplied by, per sample: [B] each. */
export interface BlockDropPath {
  readonly attention: Tensor
  readonly mlp: Tensor
}

export interface BlockOptions {
  readonly size: TransformerSize
  readonly epsilon: number
  /** Whether queries and values have biases. Default true. */
  readonly attentionBias?: boolean
  /**
   * Only these tokens leave the block. The others still serve as keys and values, so the result is the same as slicing
   * the full output, without their queries, projection and MLP.
   */
  readonly keep?: TokenRange | null
  readonly dropPath?: BlockDropPath | null
}

/** `layerNorm` with the parameters `name.weight` and `name.bias`. */
export function norm(x: Tensor, name: string, epsilon: number): Tensor {
  const width = x.shape[x.shape.length - 1]
  return layerNorm(x, x.graph.state(`${name}.weight`, [width]), x.graph.state(`${name}.bias`, [width]), epsilon)
}

/** `linear` to `width` values with the parameters `name.weight` [width, I] and, unless told otherwise, `name.bias`. */
export function dense(x: Tensor, name: string, width: number, bias = true): Tensor {
  const weight = x.graph.state(`${name}.weight`, [width, x.shape[x.shape.length - 1]])
  return linear(x, weight, bias ? x.graph.state(`${name}.bias`, [width]) : null)
}

/** fc2(gelu(fc1 x)), [..., D] -> [..., D]. */
export function mlp(x: Tensor, name: string, hidden: number): Tensor {
  return dense(gelu(dense(x, `${name}.fc1`, hidden)), `${name}.fc2`, x.shape[x.shape.length - 1])
}

/**
 * Pre-norm transformer block (Dosovitskiy et al. 2021, eq. 2-3): `x += attention(norm1 x)`, `x += mlp(norm2 x)`.
 *
 * x [B, N, D] -> [B, N, D], or [B, keep.size, D]. Parameters `name.norm1`, `name.attn.qkv.weight` [3D, D] (rows
 * q | k | v), `name.attn.q_bias`, `name.attn.v_bias` (keys have none: it would shift all scores of a query alike),
 * `name.attn.proj`, `name.norm2`, `name.mlp.fc1`, `name.mlp.fc2`. Without `attentionBias` there are no `q_bias` and `v_bias`; with
 * `size.layerScale` the two branches are multiplied by `name.gamma_1` and `name.gamma_2` [D] (Touvron et al. 2021, eq. 2).
 */
export function transformerBlock(x: Tensor, name: string, options: BlockOptions): Tensor {
  const { size, epsilon, attentionBias = true, keep = null, dropPath = null } = options
  const scaled = (branch: Tensor, gamma: string): Tensor =>
    size.layerScale === true ? multiply(branch, x.graph.state(`${name}.${gamma}`, [size.width])) : branch
  const normed = norm(x, `${name}.norm1`, epsilon)
  const attended = scaled(selfAttention(normed, `${name}.attn`, { ...size, attentionBias, keep }), 'gamma_1')
  const kept = keep === null ? x : slice(x, 1, keep.start, keep.size)
  const middle = residual(kept, attended, dropPath?.attention ?? null)
  return residual(
    middle,
    scaled(mlp(norm(middle, `${name}.norm2`, epsilon), `${name}.mlp`, size.mlpWidth), 'gamma_2'),
    dropPath?.mlp ?? null,
  )
}

function residual(x: Tensor, branch: Tensor, scales: Tensor | null): Tensor {
  return add(x, scales === null ? branch : scaleSamples(branch, scales))
}

interface AttentionOptions extends Pick<TransformerSize, 'width' | 'heads'> {
  readonly attentionBias: boolean
  readonly keep: TokenRange | null
}

function selfAttention(x: Tensor, name: string, options: AttentionOptions): Tensor {
  const { width, heads, attentionBias, keep } = options
  const { graph } = x
  const weight = graph.state(`${name}.qkv.weight`, [3 * width, width])
  if (!attentionBias) return dense(attention(unbiased(x, weight, options), heads), `${name}.proj`, width)
  const queryBias = graph.state(`${name}.q_bias`, [width])
  const valueBias = graph.state(`${name}.v_bias`, [width])
  const keyBias = graph.constant([width], new Float32Array(width))
  if (keep === null) {
    const qkv = linear(x, weight, concat([queryBias, keyBias, valueBias], 0))
    return dense(attention([qkv], heads), `${name}.proj`, width)
  }
  const q = linear(slice(x, 1, keep.start, keep.size), slice(weight, 0, 0, width), queryBias)
  const kv = linear(x, slice(weight, 0, width, 2 * width), concat([keyBias, valueBias], 0))
  return dense(attention([q, kv], heads), `${name}.proj`, width)
}

/** Queries, keys and values without biases, as `attention` takes them. */
function unbiased(
  x: Tensor,
  weight: Tensor,
  { width, keep }: AttentionOptions,
): readonly [Tensor] | readonly [Tensor, Tensor] {
  if (keep === null) return [linear(x, weight, null)]
  const q = linear(slice(x, 1, keep.start, keep.size), slice(weight, 0, 0, width), null)
  return [q, linear(x, slice(weight, 0, width, 2 * width), null)]
}
