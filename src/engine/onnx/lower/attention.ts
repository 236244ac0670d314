import { attentionSizes } from '../../../graph/operations/attention.ts'
import type { TensorId } from '../../../graph/program.ts'
import { sharedKeysAttention } from './attention-shared-keys.ts'
import { type LoweringContext, type LoweringRule, numberAttribute, type Value } from './context.ts'

/** Queries, keys and values per head, [B, heads, tokens, headWidth] each. */
export interface AttentionHeads {
  readonly q: Value
  readonly k: Value
  readonly v: Value
}

/**
 * Probabilities stay in memory where the gradient is in the program: at 1568 tokens, computing them again costs more
 * time than anything else in a step saves (dev/engine-onnx.md). Where it is not, ONNX Runtime's tiled attention never
 * builds them.
 */
export const attention: LoweringRule = (node, context) => {
  const heads = numberAttribute(node, 'heads')
  const [o, logSumExp] = node.outputs
  if (sizes(context, node.inputs, heads).sharedKeys) {
    sharedKeysAttention(node, context)
    return
  }
  const differentiated = context.isDifferentiated(logSumExp)
  if (!differentiated && !context.isRead(logSumExp) && !context.standardOnly) {
    fusedAttention(context, node.inputs, heads, context.value(o))
    return
  }
  const { width, queries, headWidth } = sizes(context, node.inputs, heads)
  const split = splitHeads(context, node.inputs, heads)
  const scores = attentionScores(context, split, headWidth)
  const p = context.emit('Softmax', [scores], { axis: -1 })
  const perHead = context.emit('MatMul', [p, split.v])
  const merged = context.emit('Transpose', [perHead], { perm: [0, 2, 1, 3] })
  context.reshape(merged, [context.spec(o).shape[0], queries, width], context.isBatched(o), context.value(o))
  if (differentiated) context.attentions.set(logSumExp, { ...split, p })
  if (context.isRead(logSumExp)) {
    context.emit('ReduceLogSumExp', [scores], { axes: [3], keepdims: 0 }, context.value(logSumExp))
  }
}

export function sizes(context: LoweringContext, packed: readonly TensorId[], heads: number) {
  return attentionSizes(
    'attention',
    packed.map((tensor) => context.spec(tensor)),
    heads,
  )
}

/** `q k^T / sqrt(headWidth)`: [B, heads, Nq, Nk]. */
export function attentionScores(context: LoweringContext, { q, k }: AttentionHeads, headWidth: number): Value {
  const factor = 1 / Math.sqrt(headWidth)
  if (!context.standardOnly) {
    return context.emitMicrosoft('FusedMatMul', [q, k], { transB: 1, alpha: { float: factor } })
  }
  const transposed = context.emit('Transpose', [k], { perm: [0, 1, 3, 2] })
  return context.emit('MatMul', [context.scaled(q, factor), transposed])
}

/** From packed [qkv] or [q, kv]. */
export function splitHeads(context: LoweringContext, packed: readonly TensorId[], heads: number): AttentionHeads {
  const { batch, queries, keys, headWidth } = sizes(context, packed, heads)
  const batched = context.isBatched(packed[0])
  const perHead = (x: Value, tokens: number): Value => {
    const separate = context.reshape(x, [batch, tokens, heads, headWidth], batched)
    return context.emit('Transpose', [separate], { perm: [0, 2, 1, 3] })
  }
  const last = packed[packed.length - 1]
  const parts = splitColumns(context, context.value(last), packed.length === 1 ? 3 : 2)
  const [k, v] = parts.slice(-2).map((part) => perHead(part, keys))
  const q = perHead(packed.length === 1 ? parts[0] : context.value(packed[0]), queries)
  return { q, k, v }
}

/** [B, N, parts * D] -> `parts` times [B, N, D]. */
function splitColumns(context: LoweringContext, x: Value, parts: number): Value[] {
  const outputs = Array.from({ length: parts }, () => context.fresh('part'))
  context.emitMany('Split', [x], { axis: 2 }, outputs)
  return outputs
}

function fusedAttention(context: LoweringContext, packed: readonly TensorId[], heads: number, into: Value): void {
  const last = context.value(packed[packed.length - 1])
  const [q, k, v] =
    packed.length === 1 ? splitColumns(context, last, 3) : [context.value(packed[0]), ...splitColumns(context, last, 2)]
  context.emitMicrosoft('MultiHeadAttention', [q, k, v], { num_heads: heads }, into)
}
