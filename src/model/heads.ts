import type { Tensor } from '../graph/graph.ts'
import { add } from '../graph/operations/add.ts'
import { attention } from '../graph/operations/attention.ts'
import { broadcastLeading } from '../graph/operations/broadcast-leading.ts'
import { meanTokens } from '../graph/operations/mean-tokens.ts'
import { multiply } from '../graph/operations/multiply.ts'
import { reshape } from '../graph/operations/reshape.ts'
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
  const query = broadcastLeading(reshape(graph.state('probe.query', [width]), [1, width]), [batch])
  const q = dense(query, 'probe.attn.q', width)
  const kv = dense(norm(tokens, 'probe.norm1', options.epsilon), 'probe.attn.kv', 2 * width)
  const attended = add(query, dense(attention([q, kv], options.heads), 'probe.attn.proj', width))
  const pooled = add(attended, mlp(norm(attended, 'probe.norm2', options.epsilon), 'probe.mlp', options.mlpWidth))
  return linearHead(firstToken(pooled), options.classes)
}
