import type { ProgramNode, TensorId } from '../../../graph/program.ts'
import { attentionScores, sizes } from './attention.ts'
import { type KeptAttention, type LoweringContext, numberAttribute, type Value } from './context.ts'

/*
 * Attention [q, x] whose keys are its values: in practice a few learned queries over many tokens. Unlike the rules for
 * packed inputs, these copy nothing of the size of x where there is one head.
 */

export function sharedKeysAttention(node: ProgramNode, context: LoweringContext): void {
  const [q, x] = node.inputs
  const [o, logSumExp] = node.outputs
  const heads = numberAttribute(node, 'heads')
  const queries = headsFirst(context, q, heads)
  const keys = headsFirst(context, x, heads)
  const scores = attentionScores(context, { q: queries, k: keys, v: keys }, context.spec(q).shape[2] / heads)
  const p = context.emit('Softmax', [scores], { axis: -1 })
  tokensFirst(context, context.emit('MatMul', [p, keys]), o, heads)
  if (context.isDifferentiated(logSumExp)) context.attentions.set(logSumExp, { q: queries, k: keys, v: keys, p })
  if (context.isRead(logSumExp)) {
    context.emit('ReduceLogSumExp', [scores], { axes: [3], keepdims: 0 }, context.value(logSumExp))
  }
}

export function sharedKeysAttentionGradient(node: ProgramNode, context: LoweringContext): void {
  const [dOutput, o, logSumExp, ...packed] = node.inputs
  const [dq, dx] = node.outputs
  const heads = numberAttribute(node, 'heads')
  const { q, k, p } = context.attentions.get(logSumExp) ?? recompute(context, packed, logSumExp, heads)
  const alpha = { float: 1 / Math.sqrt(sizes(context, packed, heads).headWidth) }
  const gradient = headsFirst(context, dOutput, heads)
  const products = context.emit('Mul', [gradient, headsFirst(context, o, heads)])
  const sums = context.emit('ReduceSum', [products, context.int64s([3])], { keepdims: 1 })
  const dP = context.emitMicrosoft('FusedMatMul', [gradient, k], { transB: 1 })
  const dScores = context.emit('Mul', [p, context.emit('Sub', [dP, sums])])
  if (context.isRead(dq)) tokensFirst(context, context.emitMicrosoft('FusedMatMul', [dScores, k], { alpha }), dq, heads)
  if (!context.isRead(dx)) return
  const dk = context.emitMicrosoft('FusedMatMul', [dScores, q], { transA: 1, alpha })
  const dv = context.emitMicrosoft('FusedMatMul', [p, gradient], { transA: 1 })
  tokensFirst(context, context.emit('Add', [dk, dv]), dx, heads)
}

/** Probabilities from the logarithms of their denominators, for a gradient whose attention kept none. */
function recompute(
  context: LoweringContext,
  packed: readonly TensorId[],
  logSumExp: TensorId,
  heads: number,
): KeptAttention {
  const [q, k] = packed.map((tensor) => headsFirst(context, tensor, heads))
  const scores = attentionScores(context, { q, k, v: k }, sizes(context, packed, heads).headWidth)
  const denominators = context.emit('Unsqueeze', [context.value(logSumExp), context.int64s([3])])
  return { q, k, v: k, p: context.emit('Exp', [context.emit('Sub', [scores, denominators])]) }
}

/** [B, N, D] -> [B, heads, N, D / heads]; with one head that is no more than another shape. */
function headsFirst(context: LoweringContext, tensor: TensorId, heads: number): Value {
  const [batch, tokens, width] = context.spec(tensor).shape
  const reshape = (shape: readonly number[]): Value =>
    context.reshape(context.value(tensor), shape, context.isBatched(tensor))
  if (heads === 1) return reshape([batch, 1, tokens, width])
  return context.emit('Transpose', [reshape([batch, tokens, heads, width / heads])], { perm: [0, 2, 1, 3] })
}

/** The other way round, under the name of a tensor of the program. */
function tokensFirst(context: LoweringContext, value: Value, into: TensorId, heads: number): void {
  const ordered = heads === 1 ? value : context.emit('Transpose', [value], { perm: [0, 2, 1, 3] })
  context.reshape(ordered, context.spec(into).shape, context.isBatched(into), context.value(into))
}
