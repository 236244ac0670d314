import type { KernelOf } from '../kernel.ts'

export const meanTokensGradient: KernelOf<'meanTokensGradient'> = ([dy], { tokens }) => {
  const [batch, width] = dy.shape
  const dx = new Float64Array(batch * tokens * width)
  for (let b = 0; b < batch; b++) {
    for (let n = 0; n < tokens; n++) {
      for (let d = 0; d < width; d++) dx[(b * tokens + n) * width + d] = dy.data[b * width + d] / tokens
    }
  }
  return [dx]
}
