import { score, unpackHeads } from '../heads.ts'
import type { KernelOf } from '../kernel.ts'
import { logSumExp } from '../log-sum-exp.ts'

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
        const denominator = logSumExp(scores)
        denominators[(b * heads + h) * queries + i] = denominator
        for (let j = 0; j < keys; j++) {
          const probability = Math.exp(scores[j] - denominator)
          const [row, vAt] = [(b * queries + i) * width + h * headWidth, v.at(b, j, h)]
          for (let c = 0; c < headWidth; c++) o[row + c] += probability * vs[vAt + c]
        }
      }
    }
  }
  return [o, denominators]
}
