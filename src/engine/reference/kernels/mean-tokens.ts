import type { KernelOf } from '../kernel.ts'

export const meanTokens: KernelOf<'meanTokens'> = ([x]) => {
  const [batch, tokens, width] = x.shape
  const y = new Float64Array(batch * width)
  for (let b = 0; b < batch; b++) {
    for (let d = 0; d < width; d++) {
      let sum = 0
      for (let n = 0; n < tokens; n++) sum += x.data[(b * tokens + n) * width + d]
      y[b * width + d] = sum / tokens
    }
  }
  return [y]
}
