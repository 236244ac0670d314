import type { Tensor } from '../graph/graph.ts'
import { attention } from '../graph/operations/attention.ts'
import { add, multiply, scale } from '../graph/operations/elementwise.ts'
import { layerNorm } from '../graph/operations/layer-norm.ts'
import { linear, linearInputGradient } from '../graph/operations/linear.ts'
import { pad, reshape, slice } from '../graph/operations/movement.ts'
import { broadcastLeading, meanTokens } from '../graph/operations/reductions.ts'
import { dense, mlp, norm } from './block.ts'
import type { ModelConfiguration } from './configuration.ts'
import { type EncoderOptions, encode } from './encoder.ts'

/** Encoder options that a classifier leaves to its caller. */
export type ClassifierInputs = Pick<EncoderOptions, 'dropPath' | 'layout'>

/**
 * The features that a classifier's last layer reads, [B, D]: the mean over tokens through `fc_norm` (VideoMAE fine-tuning;
 * no norm behind the blocks), or with `useMeanPooling: false` token 0 behind `encoder.norm` (what Hugging Face computes
 * for classifiers fine-tuned from pretraining configurations).
 */
export function classifierFeatures(
  configuration: ModelConfiguration,
  frames: Tensor,
  inputs: ClassifierInputs = {},
): Tensor {
  if (configuration.useMeanPooling) {
    return poolTokens(configuration, encode(configuration, frames, { ...inputs, finalNorm: false }))
  }
  return firstToken(encode(configuration, frames, { ...inputs, finalNorm: true, keep: { start: 0, size: 1 } }))
}

/** `fc_norm(mean over tokens)`: [B, N, D] -> [B, D]. */
export function poolTokens(configuration: ModelConfiguration, tokens: Tensor): Tensor {
  return norm(meanTokens(tokens), 'fc_norm', configuration.headNormEpsilon)
}

/** [B, 1, D] -> [B, D]. */
function firstToken(x: Tensor): Tensor {
  return reshape(x, [x.shape[0], x.shape[2]])
}

/**
 * Linear classifier: features [B, D] -> logits [B, classes]. Parameters `head.weight` [classes, D], `head.bias`.
 *
 * @param dropout float32 [B, D] factors, 0 or 1 / (1 - rate); null for none
 */
export function linearHead(features: Tensor, classes: number, dropout: Tensor | null = null): Tensor {
  return dense(dropout === null ? features : multiply(features, dropout), 'head', classes)
}

export interface AttentiveHeadOptions {
  readonly classes: number
  readonly heads: number
  readonly mlpWidth: number
  readonly epsilon: number
}

/**
 * Attentive probe (Bardes et al. 2024, V-JEPA, 4.3 "attentive probing"): one learned query attends to the frozen tokens,
 * an MLP follows, both with residuals, then the linear classifier. Tokens [B, N, D] -> logits [B, classes].
 * Parameters `probe.query` [D], `probe.norm1`, `probe.attn.{q,kv,proj}`, `probe.norm2`, `probe.mlp`, `head`.
 */
export function attentiveHead(tokens: Tensor, options: AttentiveHeadOptions): Tensor {
  const { graph } = tokens
  const [batch, , width] = tokens.shape
  const query = reshape(graph.state('probe.query', [width]), [1, width])
  const attended = dense(attendWithQuery(tokens, query, options), 'probe.attn.proj', width)
  const summed = add(attended, query)
  const pooled = add(summed, mlp(norm(summed, 'probe.norm2', options.epsilon), 'probe.mlp', options.mlpWidth))
  return linearHead(reshape(pooled, [batch, width]), options.classes)
}

/**
 * Attention of one query to `norm1` of the tokens, with projections `probe.attn.q` and `probe.attn.kv` (rows k | v):
 * query [1, D], tokens [B, N, D] -> [B, 1, D].
 *
 * The query is the same for all samples, so keys and values need not be made of every token. With y = gamma * z + beta
 * the norm of a token (z has mean 0 and deviation 1), q_h and W_h the parts of head h:
 * `q_h . (Wk_h y + bk_h) = (gamma * Wk_h^T q_h) . z + constant`, and the softmax over tokens drops the constant (so
 * the key bias does nothing); `sum p (Wv_h y + bv_h) = Wv_h (gamma * sum p z + beta) + bv_h`, since p sums to 1. What
 * remains per token is one product with a vector per head and one weighted sum: for heads of 64 values, 1/64 of the
 * two projections.
 */
function attendWithQuery(
  tokens: Tensor,
  query: Tensor,
  { heads, epsilon }: Pick<AttentiveHeadOptions, 'heads' | 'epsilon'>,
): Tensor {
  const { graph } = tokens
  const [batch, , width] = tokens.shape
  const headWidth = width / heads
  const gamma = graph.state('probe.norm1.weight', [width])
  const beta = graph.state('probe.norm1.bias', [width])
  const weight = graph.state('probe.attn.kv.weight', [2 * width, width])
  const bias = graph.state('probe.attn.kv.bias', [2 * width])
  const ones = graph.constant([width], new Float32Array(width).fill(1))
  const z = layerNorm(tokens, ones, graph.constant([width], new Float32Array(width)), epsilon)

  const projected = reshape(dense(query, 'probe.attn.q', width), [heads, headWidth])
  const directions = multiply(linearInputGradient(blockDiagonal(projected), slice(weight, 0, 0, width)), gamma)
  // The operation divides scores by the root of its head width, here D; the definition has that of one head.
  const queries = broadcastLeading(scale(directions, Math.sqrt(width / headWidth)), [batch])
  const sums = add(multiply(attention([queries, z], 1), gamma), beta)
  const values = linear(sums, slice(weight, 0, width, width))
  return add(reshape(diagonalBlocks(values, headWidth), [batch, 1, width]), slice(bias, 0, width, width))
}

/**
 * [H, C] -> [H, H * C], row h having its values at columns h * C onwards and zeros elsewhere: rows that are H * C zeros
 * longer, cut at H * C values, begin C values later each.
 */
function blockDiagonal(x: Tensor): Tensor {
  const [rows, columns] = x.shape
  const width = rows * columns
  const padded = reshape(pad(x, 1, 0, width), [rows * (columns + width)])
  return reshape(slice(padded, 0, 0, rows * width), [rows, width])
}

/** The other way round: the values at columns h * C onwards of row h, [B, H, H * C] -> [B, H, C]. */
function diagonalBlocks(x: Tensor, columns: number): Tensor {
  const [batch, rows, width] = x.shape
  const padded = pad(reshape(x, [batch, rows * width]), 1, 0, width)
  return slice(reshape(padded, [batch, rows, width + columns]), 2, 0, columns)
}
