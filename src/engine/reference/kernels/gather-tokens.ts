import type { KernelOf } from '../kernel.ts'

export const gatherTokens: KernelOf<'gatherTokens'> = ([x, indices]) => {
  const [batch, tokens, width] = x.shape
  const picked = indices.shape[1]
  const y = new Float64Array(batch * picked * width)
  for (let b = 0; b < batch; b++) {
    for (let m = 0; m < picked; m++) {
      const n = indices.data[b * picked + m]
      for (let d = 0; d < width; d++) y[(b * picked + m) * width + d] = x.data[(b * tokens + n) * width + d]
    }
  }
  return [y]
}
