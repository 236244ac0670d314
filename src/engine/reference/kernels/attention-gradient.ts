import { score, unpackHeads } from '../heads.ts'
import type { KernelOf } from '../kernel.ts'

export const attentionGradient: KernelOf<'attentionGradient'> = ([dO, o, denominators, ...packed], { heads }) => {
  const dos = dO.data
  const gradients = packed.map((values) => new Float64Array(values.data.length))
  const forward = unpackHeads(packed, heads)
  const { q: dq, k: dk, v: dv } = unpackHeads(packed, heads, gradients)
  const { batch, queries, keys, width, headWidth, scale, q, k, v } = forward
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < queries; i++) {
        const row = (b * queries + i) * width + h * headWidth
        let rowSum = 0
        for (let c = 0; c < headWidth; c++) rowSum += dos[row + c] * o.data[row + c]
        for (let j = 0; j < keys; j++) {
          const p = Math.exp(score(forward, b, h, i, j) - denominators.data[(b * heads + h) * queries + i])
          // Gradients lie where the values themselves lie.
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
