import { type AttentionSizes, attentionSizes } from '../../../graph/operations/attention.ts'
import type { KernelOf, Values } from '../kernel.ts'
import { sumExponentials } from '../log-sum-exp.ts'

/** One of q, k and v inside a packed tensor [B, N, parts * D]: columns c of head h of token n start at `at(b, n, h)`. */
interface HeadView {
  readonly data: Float64Array
  readonly at: (b: number, n: number, h: number) => number
}

interface Heads extends AttentionSizes {
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
function unpackHeads(
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
function score({ q, k, scale, headWidth }: Heads, b: number, h: number, i: number, j: number): number {
  const [qs, ks] = [q.data, k.data]
  const [qAt, kAt] = [q.at(b, i, h), k.at(b, j, h)]
  let sum = 0
  for (let c = 0; c < headWidth; c++) sum += qs[qAt + c] * ks[kAt + c]
  return scale * sum
}

export const attention: KernelOf<'attention'> = (packed, { heads }) => {
  const unpacked = unpackHeads(packed, heads)
  const { batch, queries, keys, width, headWidth, v } = unpacked
  const vs = v.data
  const o = new Float64Array(batch * queries * width)
  const denominators = new Float64Array(batch * heads * queries)
  const scores = new Float64Array(keys)
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < queries; i++) {
        for (let j = 0; j < keys; j++) scores[j] = score(unpacked, b, h, i, j)
        const { largest, sum } = sumExponentials(scores)
        denominators[(b * heads + h) * queries + i] = largest + Math.log(sum)
        for (let j = 0; j < keys; j++) {
          const probability = Math.exp(scores[j] - largest) / sum
          const [row, vAt] = [(b * queries + i) * width + h * headWidth, v.at(b, j, h)]
          for (let c = 0; c < headWidth; c++) o[row + c] += probability * vs[vAt + c]
        }
      }
    }
  }
  return [o, denominators]
}

export const attentionGradient: KernelOf<'attentionGradient'> = ([dO, o, _logSumExp, ...packed], { heads }) => {
  const dos = dO.data
  const gradients = packed.map((values) => new Float64Array(values.data.length))
  const forward = unpackHeads(packed, heads)
  const { q: dq, k: dk, v: dv } = unpackHeads(packed, heads, gradients)
  const { batch, queries, keys, width, headWidth, scale, q, k, v } = forward
  const scores = new Float64Array(keys)
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < queries; i++) {
        const row = (b * queries + i) * width + h * headWidth
        let rowSum = 0
        for (let c = 0; c < headWidth; c++) rowSum += dos[row + c] * o.data[row + c]
        // Not from the logarithm that the forward pass kept: it loses the number of equal keys next to a large score.
        for (let j = 0; j < keys; j++) scores[j] = score(forward, b, h, i, j)
        const { largest, sum } = sumExponentials(scores)
        for (let j = 0; j < keys; j++) {
          const p = Math.exp(scores[j] - largest) / sum
          // Gradients are where the values themselves are.
          const [qAt, kAt, vAt] = [q.at(b, i, h), k.at(b, j, h), v.at(b, j, h)]
          let dP = 0
          for (let c = 0; c < headWidth; c++) {
            dP += dos[row + c] * v.data[vAt + c]
            dv.data[vAt + c] += p * dos[row + c]
          }
          const dS = p * (dP - rowSum)
          for (let c = 0; c < headWidth; c++) {
            dq.data[qAt + c] += scale * dS * k.data[kAt + c]
            dk.data[kAt + c] += scale * dS * q.data[qAt + c]
          }
        }
      }
    }
  }
  return gradients
}
