import type { KernelOf } from '../kernel.ts'

export const scatterTokens: KernelOf<'scatterTokens'> = ([y, indices], { tokens }) => {
  const [batch, picked, width] = y.shape
  const x = new Float64Array(batch * tokens * width)
  for (let b = 0; b < batch; b++) {
    for (let m = 0; m < picked; m++) {
      const n = indices.data[b * picked + m]
      for (let d = 0; d < width; d++) x[(b * tokens + n) * width + d] += y.data[(b * picked + m) * width + d]
    }
  }
  return [x]
}
