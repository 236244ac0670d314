import { attentionSizes } from '../../../graph/operations/attention.ts'
import type { ProgramNode, TensorId } from '../../../graph/program.ts'
import {
  type KeptAttention,
  type LoweringContext,
  type LoweringRule,
  numberAttribute,
  type ValueName,
} from './context.ts'

/** Queries, keys and values per head, [B, heads, tokens, headWidth] each. */
interface AttentionHeads {
  readonly q: ValueName
  readonly k: ValueName
  readonly v: ValueName
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

function sizes(context: LoweringContext, packed: readonly TensorId[], heads: number) {
  return attentionSizes(
    'attention',
    packed.map((tensor) => context.spec(tensor)),
    heads,
  )
}

/** `q k^T / sqrt(headWidth)`: [B, heads, Nq, Nk]. */
function attentionScores(context: LoweringContext, { q, k }: AttentionHeads, headWidth: number): ValueName {
  const factor = 1 / Math.sqrt(headWidth)
  if (!context.standardOnly) {
    return context.emitMicrosoft('FusedMatMul', [q, k], { transB: 1, alpha: { float: factor } })
  }
  const transposed = context.emit('Transpose', [k], { perm: [0, 1, 3, 2] })
  return context.emit('MatMul', [context.scaled(q, factor), transposed])
}

/** From packed [qkv] or [q, kv]. */
function splitHeads(context: LoweringContext, packed: readonly TensorId[], heads: number): AttentionHeads {
  const { batch, queries, keys, headWidth } = sizes(context, packed, heads)
  const batched = context.isBatched(packed[0])
  const perHead = (x: ValueName, tokens: number): ValueName => {
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
function splitColumns(context: LoweringContext, x: ValueName, parts: number): ValueName[] {
  const outputs = Array.from({ length: parts }, () => context.fresh('part'))
  context.emitMany('Split', [x], { axis: 2 }, outputs)
  return outputs
}

function fusedAttention(context: LoweringContext, packed: readonly TensorId[], heads: number, into: ValueName): void {
  const last = context.value(packed[packed.length - 1])
  const [q, k, v] =
    packed.length === 1 ? splitColumns(context, last, 3) : [context.value(packed[0]), ...splitColumns(context, last, 2)]
  context.emitMicrosoft('MultiHeadAttention', [q, k, v], { num_heads: heads }, into)
}

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
  const { q, k, v, p } =
    context.attentions.get(logSumExp) ?? recompute(context, splitHeads(context, packed, heads), logSumExp, headWidth)

  const perHead = (x: ValueName, width: number): ValueName => {
    const separate = context.reshape(x, [batch, queries, heads, width], batched)
    return context.emit('Transpose', [separate], { perm: [0, 2, 1, 3] })
  }
  const products = context.emit('Mul', [context.value(dOutput), context.value(o)])
  const perHeadMatmuls = context.reshape(products, [batch, queries, heads, headWidth], batched)
  const sums = context.emit('ReduceSum', [perHeadMatmuls, context.int64s([3])], { keepdims: 1 })
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

  const merge = (parts: readonly ValueName[], tokens: number, into: ValueName): void => {
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
function recompute(
  context: LoweringContext,
  split: AttentionHeads,
  logSumExp: TensorId,
  headWidth: number,
): KeptAttention {
  const scores = attentionScores(context, split, headWidth)
  const denominators = context.emit('Unsqueeze', [context.value(logSumExp), context.int64s([3])])
  return { ...split, p: context.emit('Exp', [context.emit('Sub', [scores, denominators])]) }
}

/**
 * Attention [q, x] whose keys are its values: in practice a few learned queries over many tokens. Unlike the rules for
 * packed inputs, this and its gradient copy nothing of the size of x where there is one head.
 */
function sharedKeysAttention(node: ProgramNode, context: LoweringContext): void {
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

function sharedKeysAttentionGradient(node: ProgramNode, context: LoweringContext): void {
  const [dOutput, o, logSumExp, ...packed] = node.inputs
  const [dq, dx] = node.outputs
  const heads = numberAttribute(node, 'heads')
  const { headWidth } = sizes(context, packed, heads)
  const split = (): AttentionHeads => {
    const [queries, keys] = packed.map((tensor) => headsFirst(context, tensor, heads))
    return { q: queries, k: keys, v: keys }
  }
  const { q, k, p } = context.attentions.get(logSumExp) ?? recompute(context, split(), logSumExp, headWidth)
  const alpha = { float: 1 / Math.sqrt(headWidth) }
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

/** [B, N, D] -> [B, heads, N, D / heads]; with one head that is no more than another shape. */
function headsFirst(context: LoweringContext, tensor: TensorId, heads: number): ValueName {
  const [batch, tokens, width] = context.spec(tensor).shape
  const reshape = (shape: readonly number[]): ValueName =>
    context.reshape(context.value(tensor), shape, context.isBatched(tensor))
  if (heads === 1) return reshape([batch, 1, tokens, width])
  return context.emit('Transpose', [reshape([batch, tokens, heads, width / heads])], { perm: [0, 2, 1, 3] })
}

/** The other way round, under the name of a tensor of the program. */
function tokensFirst(context: LoweringContext, value: ValueName, into: TensorId, heads: number): void {
  const ordered = heads === 1 ? value : context.emit('Transpose', [value], { perm: [0, 2, 1, 3] })
  context.reshape(ordered, context.spec(into).shape, context.isBatched(into), context.value(into))
}
