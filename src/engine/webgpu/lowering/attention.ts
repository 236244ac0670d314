/**
 * Attention in tiles. Every WebGPU adapter binds 128 MiB as one storage buffer; many bind no more. So scores are never one matrix
 * [B, heads, Nq, Nk]: a tile holds as many heads (of one or several samples) as fit, or some queries of one head.
 */
import { attentionSizes } from '../../../graph/operations/attention.ts'
import type { ProgramNode, TensorId } from '../../../graph/program.ts'
import {
  type LoweringContext,
  type LoweringRule,
  numberAttribute,
  type ValueName,
} from '../../onnx/lowering/context.ts'
import type { Product } from './float16.ts'
import { joined } from './joined.ts'

/** Bytes that every adapter binds as one buffer (maxStorageBufferBindingSize of the WebGPU standard). */
export const guaranteedBinding = 134_217_728

/** One range of heads, counted over the batch (B * heads in all), and of queries. */
export interface Tile {
  readonly firstHead: number
  readonly heads: number
  readonly firstQuery: number
  readonly queries: number
}

/**
 * The tiles of B * heads score matrices [Nq, Nk] of float32, each at most `largest` bytes; at least one query each.
 *
 * @param heads B * heads
 */
export function attentionTiles(heads: number, queries: number, keys: number, largest: number): readonly Tile[] {
  const perTile = Math.floor(largest / (4 * queries * keys))
  const tiles: Tile[] = []
  if (perTile >= 1) {
    for (let first = 0; first < heads; first += perTile) {
      tiles.push({ firstHead: first, heads: Math.min(perTile, heads - first), firstQuery: 0, queries })
    }
    return tiles
  }
  const rows = Math.max(1, Math.floor(largest / (4 * keys)))
  for (let head = 0; head < heads; head++) {
    for (let first = 0; first < queries; first += rows) {
      tiles.push({ firstHead: head, heads: 1, firstQuery: first, queries: Math.min(rows, queries - first) })
    }
  }
  return tiles
}

/** Operands by head: [B * heads, tokens, headWidth]. */
interface Heads {
  readonly q: ValueName
  readonly k: ValueName
  readonly v: ValueName
}

interface Sizes extends ReturnType<typeof attentionSizes> {
  readonly heads: number
  readonly tiles: readonly Tile[]
  readonly product: Product
}

/** How attention is computed on a device. */
interface AttentionPlan {
  /** Bytes of a tile's scores. */
  readonly largest: number
  /** Of the forward pass. The gradient computes in float32. */
  readonly product: Product
}

/** The rules of `attention` and its gradient. */
export function attentionRules(plan: AttentionPlan): {
  readonly attention: LoweringRule
  readonly attentionGradient: LoweringRule
} {
  return {
    attention: (node, context) => lowerAttention(node, context, plan),
    attentionGradient: (node, context) => lowerGradient(node, context, plan),
  }
}

function lowerAttention(node: ProgramNode, context: LoweringContext, plan: AttentionPlan): void {
  const [o, logSumExp] = node.outputs
  const sizes = sizesOf(node, node.inputs, context, plan)
  const split = splitHeads(context, node.inputs, sizes)
  const outputs: ValueName[] = []
  const denominators: ValueName[] = []
  for (const tile of sizes.tiles) {
    const scores = tileScores(context, split, sizes, tile)
    const p = context.emit('Softmax', [scores], { axis: -1 })
    outputs.push(sizes.product(context, p, keysOf(context, split.v, sizes, tile)))
    if (context.isDifferentiated(logSumExp)) context.keep(probabilityKey(logSumExp, tile), p)
    if (context.isRead(logSumExp)) denominators.push(logarithm(context, scores))
  }
  mergeHeads(context, joinQueries(context, outputs, sizes), sizes.queries, sizes, context.value(o))
  if (context.isRead(logSumExp)) {
    const joined = joinQueries(context, denominators, sizes)
    context.reshape(joined, context.spec(logSumExp).shape, false, context.value(logSumExp))
  }
}

const probabilityKey = (logSumExp: TensorId, { firstHead, firstQuery }: Tile): string =>
  `probabilities:${logSumExp}:${firstHead}:${firstQuery}`

/** log(sum(exp(scores))) along the last axis, [..., 1]; the largest score is subtracted first. */
function logarithm(context: LoweringContext, scores: ValueName): ValueName {
  const largest = context.emit('ReduceMax', [scores], { axes: [2], keepdims: 1 })
  const exponentials = context.emit('Exp', [context.emit('Sub', [scores, largest])])
  const sum = context.emit('ReduceSum', [exponentials, context.int64s([2])], { keepdims: 1 })
  return context.emit('Add', [largest, context.emit('Log', [sum])])
}

/**
 * `dv = p^T do`, `dP = do v^T`, `dS = p * (dP - rowsum(do * o))`, `dq = s dS k`, `dk = s dS^T q`. A transposed [Nq, Nk] is never made:
 * `a^T b` is the transpose of `b^T a`, whose operands are narrow.
 */
function lowerGradient(node: ProgramNode, context: LoweringContext, plan: AttentionPlan): void {
  const [dOutput, o, logSumExp, ...packed] = node.inputs
  const sizes = sizesOf(node, packed, context, plan)
  const factor = 1 / Math.sqrt(sizes.headWidth)
  const split = splitHeads(context, packed, sizes)
  const gradient = perHead(context, context.value(dOutput), sizes.queries, sizes)
  const products = context.emit('Mul', [gradient, perHead(context, context.value(o), sizes.queries, sizes)])
  const sums = context.emit('ReduceSum', [products, context.int64s([2])], { keepdims: 1 })

  const [first, second] = node.outputs
  const wanted = { queries: second === undefined || context.isRead(first), keys: context.isRead(second ?? first) }
  const dq: ValueName[] = []
  const dk: ValueName[] = []
  const dv: ValueName[] = []
  for (const tile of sizes.tiles) {
    const [tileGradient, tileSums, q] = [gradient, sums, split.q].map((x) => queriesOf(context, x, sizes, tile))
    const [k, v] = [split.k, split.v].map((x) => keysOf(context, x, sizes, tile))
    const p = context.once(probabilityKey(logSumExp, tile), () => recompute(context, split, sizes, tile, logSumExp))
    const dP = context.emit('MatMul', [tileGradient, swapped(context, v)])
    const dScores = context.emit('Mul', [p, context.emit('Sub', [dP, tileSums])])
    if (wanted.queries) dq.push(context.scaled(context.emit('MatMul', [dScores, k]), factor))
    if (!wanted.keys) continue
    dk.push(swapped(context, context.scaled(context.emit('MatMul', [swapped(context, q), dScores]), factor)))
    dv.push(swapped(context, context.emit('MatMul', [swapped(context, tileGradient), p])))
  }
  const queryGradient = (into?: ValueName): ValueName =>
    mergeHeads(context, joinQueries(context, dq, sizes), sizes.queries, sizes, into)
  const keyGradients = (): ValueName[] => [dk, dv].map((parts) => sumQueries(context, parts, sizes))
  const merged = (x: ValueName): ValueName => mergeHeads(context, x, sizes.keys, sizes)

  if (second === undefined) {
    context.emit('Concat', [queryGradient(), ...keyGradients().map(merged)], { axis: 2 }, context.value(first))
    return
  }
  if (wanted.queries) queryGradient(context.value(first))
  if (!wanted.keys) return
  if (sizes.sharedKeys) {
    mergeHeads(context, context.emit('Add', keyGradients()), sizes.keys, sizes, context.value(second))
  } else context.emit('Concat', keyGradients().map(merged), { axis: 2 }, context.value(second))
}

/** Probabilities from the logarithms of their denominators, for a gradient whose attention kept none. */
function recompute(context: LoweringContext, split: Heads, sizes: Sizes, tile: Tile, logSumExp: TensorId): ValueName {
  const { batch, heads, queries } = sizes
  const columns = context.once(`denominators:${logSumExp}`, () =>
    context.reshape(context.value(logSumExp), [batch * heads, queries, 1], false),
  )
  const scores = tileScores(context, split, sizes, tile)
  return context.emit('Exp', [context.emit('Sub', [scores, queriesOf(context, columns, sizes, tile)])])
}

function sizesOf(
  node: ProgramNode,
  packed: readonly TensorId[],
  context: LoweringContext,
  { largest, product }: AttentionPlan,
): Sizes {
  const heads = numberAttribute(node, 'heads')
  const specs = packed.map((tensor) => context.spec(tensor))
  const sizes = attentionSizes(node.operation, specs, heads)
  const tiles = attentionTiles(sizes.batch * heads, sizes.queries, sizes.keys, largest)
  return { ...sizes, heads, product, tiles }
}

/** From packed [qkv], [q, kv] or [q, x]. A gradient finds what its attention has made. */
function splitHeads(context: LoweringContext, packed: readonly TensorId[], sizes: Sizes): Heads {
  const { heads, queries, keys, width } = sizes
  /** A part of the columns, or all of them. */
  const columns = (tensor: TensorId, tokens: number, part: number | null): ValueName =>
    context.once(`heads:${tensor}:${heads}:${part}`, () => {
      if (part === null) return perHead(context, context.value(tensor), tokens, sizes)
      const bounds = [[part * width], [(part + 1) * width], [2]].map((list) => context.int64s(list))
      return perHead(context, context.emit('Slice', [context.value(tensor), ...bounds]), tokens, sizes)
    })
  const [first, last] = packed
  if (last === undefined) {
    const [q, k, v] = [0, 1, 2].map((part) => columns(first, keys, part))
    return { q, k, v }
  }
  const q = columns(first, queries, null)
  if (sizes.sharedKeys) {
    const x = columns(last, keys, null)
    return { q, k: x, v: x }
  }
  const [k, v] = [0, 1].map((part) => columns(last, keys, part))
  return { q, k, v }
}

/** [B, N, heads * headWidth] -> [B * heads, N, headWidth]. */
function perHead(
  context: LoweringContext,
  x: ValueName,
  tokens: number,
  { batch, heads, headWidth }: Sizes,
): ValueName {
  const ordered =
    heads === 1
      ? x
      : context.emit('Transpose', [context.reshape(x, [batch, tokens, heads, headWidth], false)], {
          perm: [0, 2, 1, 3],
        })
  return context.reshape(ordered, [batch * heads, tokens, headWidth], false)
}

/** The other way round. */
function mergeHeads(context: LoweringContext, x: ValueName, tokens: number, sizes: Sizes, into?: ValueName): ValueName {
  const { batch, heads, headWidth } = sizes
  const ordered =
    heads === 1
      ? x
      : context.emit('Transpose', [context.reshape(x, [batch, heads, tokens, headWidth], false)], {
          perm: [0, 2, 1, 3],
        })
  return context.reshape(ordered, [batch, tokens, heads * headWidth], false, into)
}

/** `q k^T / sqrt(headWidth)` of one tile. */
function tileScores(context: LoweringContext, { q, k }: Heads, sizes: Sizes, tile: Tile): ValueName {
  const scaled = context.once(`scaled:${q}`, () => context.scaled(q, 1 / Math.sqrt(sizes.headWidth)))
  const transposed = context.once(`transposed:${k}`, () => swapped(context, k))
  return sizes.product(context, queriesOf(context, scaled, sizes, tile), keysOf(context, transposed, sizes, tile))
}

const swapped = (context: LoweringContext, x: ValueName): ValueName =>
  context.emit('Transpose', [x], { perm: [0, 2, 1] })

/** The rows of a tile of something by query. */
function queriesOf(context: LoweringContext, x: ValueName, sizes: Sizes, tile: Tile): ValueName {
  const part = keysOf(context, x, sizes, tile)
  if (tile.queries === sizes.queries) return part
  const bounds = [[tile.firstQuery], [tile.firstQuery + tile.queries], [1]].map((list) => context.int64s(list))
  return context.emit('Slice', [part, ...bounds])
}

/** The heads of a tile of something by key. */
function keysOf(context: LoweringContext, x: ValueName, { batch, heads }: Sizes, tile: Tile): ValueName {
  if (tile.heads === batch * heads) return x
  return context.once(`heads:${x}:${tile.firstHead}`, () => {
    const bounds = [[tile.firstHead], [tile.firstHead + tile.heads], [0]].map((list) => context.int64s(list))
    return context.emit('Slice', [x, ...bounds])
  })
}

/** Puts what tiles have computed by query together: [B * heads, Nq, ...]. */
function joinQueries(context: LoweringContext, parts: readonly ValueName[], sizes: Sizes): ValueName {
  return joinHeads(context, parts, sizes, (ofHead) => joined(context, ofHead, 1))
}

/** Puts what tiles have computed by key together: the queries of a head add up. */
function sumQueries(context: LoweringContext, parts: readonly ValueName[], sizes: Sizes): ValueName {
  return joinHeads(context, parts, sizes, (ofHead) => ofHead.reduce((sum, part) => context.emit('Add', [sum, part])))
}

function joinHeads(
  context: LoweringContext,
  parts: readonly ValueName[],
  { tiles }: Sizes,
  join: (ofHead: readonly ValueName[]) => ValueName,
): ValueName {
  const byHead = new Map<number, ValueName[]>()
  for (const [i, { firstHead }] of tiles.entries()) byHead.set(firstHead, [...(byHead.get(firstHead) ?? []), parts[i]])
  return joined(context, [...byHead.values()].map(join), 0)
}
