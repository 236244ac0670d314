import { type AttentionSizes, attentionSizes } from '../../../graph/operations/attention.ts'
import type { RuleOf } from '../rule.ts'
import type { Tensor, Tfjs } from '../runtime.ts'
import { softmaxTensor } from './losses.ts'

/** Queries [B, heads, Nq, W], keys and values [B, heads, Nk, W]; W is the width of a head. */
interface Heads {
  readonly q: Tensor
  readonly k: Tensor
  readonly v: Tensor
}

/** Columns of part `index` of packed [B, N, parts * D], by head: [B, heads, N, W]. */
function splitPart(tf: Tfjs, packed: Tensor, index: number, heads: number, { width }: AttentionSizes): Tensor {
  const [batch, tokens] = packed.shape
  const part = tf.slice(packed, [0, 0, index * width], [batch, tokens, width])
  return tf.transpose(tf.reshape(part, [batch, tokens, heads, width / heads]), [0, 2, 1, 3])
}

function splitHeads(tf: Tfjs, packed: readonly Tensor[], heads: number, sizes: AttentionSizes): Heads {
  const part = (tensor: Tensor, index: number): Tensor => splitPart(tf, tensor, index, heads, sizes)
  if (packed.length === 1) return { q: part(packed[0], 0), k: part(packed[0], 1), v: part(packed[0], 2) }
  const [q, k] = [part(packed[0], 0), part(packed[1], 0)]
  return { q, k, v: sizes.sharedKeys ? k : part(packed[1], 1) }
}

/** [B, heads, N, W] to [B, N, D]. */
function mergeHeads(tf: Tfjs, x: Tensor): Tensor {
  const [batch, heads, tokens, headWidth] = x.shape
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch, tokens, heads * headWidth])
}

/** Scores [B, heads, Nq, Nk]. */
function scoresOf(tf: Tfjs, { q, k }: Heads, { headWidth }: AttentionSizes): Tensor {
  return tf.matMul(tf.mul(q, 1 / Math.sqrt(headWidth)), k, false, true)
}

export const attention: RuleOf<'attention'> = (tf, packed, { heads }, specs) => {
  const sizes = attentionSizes('attention', specs.inputs, heads)
  const split = splitHeads(tf, packed, heads, sizes)
  const { probabilities, logSumExp } = softmaxTensor(tf, scoresOf(tf, split, sizes))
  return [mergeHeads(tf, tf.matMul(probabilities, split.v)), tf.reshape(logSumExp, specs.outputs[1].shape.slice())]
}

export const attentionGradient: RuleOf<'attentionGradient'> = (tf, [dO, o, , ...packed], { heads }, specs) => {
  const sizes = attentionSizes('attentionGradient', specs.inputs.slice(3), heads)
  const split = splitHeads(tf, packed, heads, sizes)
  // Not from the logarithm that the forward pass kept: it loses the number of equal keys next to a large score.
  const { probabilities: p } = softmaxTensor(tf, scoresOf(tf, split, sizes))
  const dOutput = splitPart(tf, dO, 0, heads, sizes)
  const rowSum = tf.sum(tf.mul(dOutput, splitPart(tf, o, 0, heads, sizes)), 3, true)
  const dP = tf.matMul(dOutput, split.v, false, true)
  const dS = tf.mul(tf.mul(p, tf.sub(dP, rowSum)), 1 / Math.sqrt(sizes.headWidth))
  const dq = mergeHeads(tf, tf.matMul(dS, split.k))
  const dk = mergeHeads(tf, tf.matMul(dS, split.q, true, false))
  const dv = mergeHeads(tf, tf.matMul(p, dOutput, true, false))
  if (packed.length === 1) return [tf.concat([dq, dk, dv], 2)]
  return [dq, sizes.sharedKeys ? tf.add(dk, dv) : tf.concat([dk, dv], 2)]
}
