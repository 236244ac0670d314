import { score, unpackHeads } from '../heads.ts'
import type { KernelOf } from '../kernel.ts'

export const attentionGradient: KernelOf<'attentionGradient'> = ([dO, o, denominators, ...packed], { heads }) => {
  const gradients = packed.map((values) => new Float64Array(values.data.length))
  const forward = unpackHeads(packed, heads)
  const { q: dq, k: dk, v: dv } = unpackHeads(packed, heads, gradients)
  const { batch, queries, keys, width, headWidth, scale, q, k, v } = forward
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < queries; i++) {
        const row = (b * queries + i) * width + h * headWidth
        let rowSum = 0
        for (let c = 0; c < headWidth; c++) rowSum += dO.data[row + c] * o.data[row + c]
        for (let j = 0; j < keys; j++) {
          const p = Math.exp(score(forward, b, h, i, j) - denominators.data[(b * heads + h) * queries + i])
          let dP = 0
          for (let c = 0; c < headWidth; c++) {
            dP += dO.data[row + c] * v.data[v.at(b, j, h, c)]
            dv.data[dv.at(b, j, h, c)] += p * dO.data[row + c]
          }
          const dS = p * (dP - rowSum)
          for (let c = 0; c < headWidth; c++) {
            dq.data[dq.at(b, i, h, c)] += scale * dS * k.data[k.at(b, j, h, c)]
            dk.data[dk.at(b, j, h, c)] += scale * dS * q.data[q.at(b, i, h, c)]
          }
        }
      }
    }
  }
  return gradients
}
