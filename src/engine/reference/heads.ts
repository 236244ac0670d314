import { type AttentionSizes, attentionSizes } from '../../graph/operations/attention.ts'
import type { Values } from './kernel.ts'

/** One of q, k and v inside a packed tensor [B, N, parts * D]: columns c of head h of token n start at `at(b, n, h)`. */
export interface HeadView {
  readonly data: Float64Array
  readonly at: (b: number, n: number, h: number) => number
}

export interface Heads extends AttentionSizes {
  readonly scale: number
  readonly q: HeadView
  readonly k: HeadView
  readonly v: HeadView
}

function view(data: Float64Array, tokens: number, parts: number, part: number, sizes: AttentionSizes): HeadView {
  const { width, headWidth } = sizes
  return { data, at: (b, n, h) => ((b * tokens + n) * parts + part) * width + h * headWidth }
}

/**
 * Views of packed attention inputs, `[qkv]`, `[q, kv]` or `[q, x]`. `data` may stand in for the inputs' own numbers:
 * buffers of the same layout, gradients say. Keys that are values are the same view twice, so gradients add up in it.
 */
export function unpackHeads(
  packed: readonly Values[],
  heads: number,
  data: readonly Float64Array[] = packed.map((values) => values.data),
): Heads {
  const sizes = attentionSizes('attention', packed, heads)
  const { queries, keys, headWidth, sharedKeys } = sizes
  const scale = 1 / Math.sqrt(headWidth)
  if (data.length === 1) {
    const part = (index: number): HeadView => view(data[0], keys, 3, index, sizes)
    return { ...sizes, scale, q: part(0), k: part(1), v: part(2) }
  }
  const q = view(data[0], queries, 1, 0, sizes)
  if (sharedKeys) {
    const x = view(data[1], keys, 1, 0, sizes)
    return { ...sizes, scale, q, k: x, v: x }
  }
  const part = (index: number): HeadView => view(data[1], keys, 2, index, sizes)
  return { ...sizes, scale, q, k: part(0), v: part(1) }
}

/** `scale * q_i . k_j` of head h in sample b. */
export function score({ q, k, scale, headWidth }: Heads, b: number, h: number, i: number, j: number): number {
  const [qs, ks] = [q.data, k.data]
  const [qAt, kAt] = [q.at(b, i, h), k.at(b, j, h)]
  let sum = 0
  for (let c = 0; c < headWidth; c++) sum += qs[qAt + c] * ks[kAt + c]
  return scale * sum
}
