import type { ProgramNode } from '../../../graph/program.ts'
import { attentionScores, sizes, splitHeads } from './attention.ts'
import { sharedKeysAttentionGradient } from './attention-shared-keys.ts'
import { type KeptAttention, type LoweringContext, type LoweringRule, numberAttribute, type Value } from './context.ts'

/**
 * `dP - rowsum(do * o)` is one product, [do | -rowsum] [v | 1]^T, which saves a pass over the [Nq, Nk] matrix.
 */
export const attentionGradient: LoweringRule = (node, context) => {
  const [dOutput, o, logSumExp, ...packed] = node.inputs
  const heads = numberAttribute(node, 'heads')
  const { batch, queries, keys, headWidth, sharedKeys } = sizes(context, packed, heads)
  if (sharedKeys) {
    sharedKeysAttentionGradient(node, context)
    return
  }
  const batched = context.isBatched(packed[0])
  const { q, k, v, p } = context.attentions.get(logSumExp) ?? recompute(node, context)

  const perHead = (x: Value, width: number): Value => {
    const separate = context.reshape(x, [batch, queries, heads, width], batched)
    return context.emit('Transpose', [separate], { perm: [0, 2, 1, 3] })
  }
  const products = context.emit('Mul', [context.value(dOutput), context.value(o)])
  const perHeadProducts = context.reshape(products, [batch, queries, heads, headWidth], batched)
  const sums = context.emit('ReduceSum', [perHeadProducts, context.int64s([3])], { keepdims: 1 })
  const separate = context.reshape(context.value(dOutput), [batch, queries, heads, headWidth], batched)
  const joined = context.emit('Concat', [separate, context.emit('Neg', [sums])], { axis: 3 })
  const widened = context.emit('Transpose', [joined], { perm: [0, 2, 1, 3] })
  const dOutputHeads = perHead(context.value(dOutput), headWidth)

  const ones = context.runtimeShape([batch, heads, keys, 1])
  const widenedValues = context.emit('Concat', [v, context.emit('Expand', [context.float(1), ones])], { axis: 3 })
  const dv = context.emitMicrosoft('FusedMatMul', [p, dOutputHeads], { transA: 1 })
  const slopes = context.emitMicrosoft('FusedMatMul', [widened, widenedValues], { transB: 1 })
  const dScores = context.emit('Mul', [p, slopes])
  const alpha = { float: 1 / Math.sqrt(headWidth) }
  const dq = context.emitMicrosoft('FusedMatMul', [dScores, k], { alpha })
  const dk = context.emitMicrosoft('FusedMatMul', [dScores, q], { transA: 1, alpha })

  const merge = (parts: readonly Value[], tokens: number, into: Value): void => {
    const columns = parts.map((part) => {
      const tokensFirst = context.emit('Transpose', [part], { perm: [0, 2, 1, 3] })
      return context.reshape(
        tokensFirst,
        [batch, tokens, heads * headWidth],
        batched,
        parts.length === 1 ? into : undefined,
      )
    })
    if (columns.length > 1) context.emit('Concat', columns, { axis: 2 }, into)
  }
  const outputs = node.outputs.map((tensor) => context.value(tensor))
  if (packed.length === 1) merge([dq, dk, dv], keys, outputs[0])
  else {
    if (context.isRead(node.outputs[0])) merge([dq], queries, outputs[0])
    if (context.isRead(node.outputs[1])) merge([dk, dv], keys, outputs[1])
  }
}

/** Probabilities from the logarithms of their denominators, for a gradient whose attention kept none. */
function recompute({ inputs, attributes }: ProgramNode, context: LoweringContext): KeptAttention {
  const [, , logSumExp, ...packed] = inputs
  const heads = attributes.heads as number
  const split = splitHeads(context, packed, heads)
  const scores = attentionScores(context, split, sizes(context, packed, heads).headWidth)
  const denominators = context.emit('Unsqueeze', [context.value(logSumExp), context.int64s([3])])
  return { ...split, p: context.emit('Exp', [context.emit('Sub', [scores, denominators])]) }
}
