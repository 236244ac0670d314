import { elementCount } from '../../../graph/program.ts'
import type { KernelOf } from '../kernel.ts'

export const sumLeading: KernelOf<'sumLeading'> = ([x], _attributes, [output]) => {
  const sum = new Float64Array(elementCount(output.shape))
  for (let i = 0; i < x.data.length; i++) sum[i % sum.length] += x.data[i]
  return [sum]
}

export const broadcastLeading: KernelOf<'broadcastLeading'> = ([x], _attributes, [output]) => [
  Float64Array.from({ length: elementCount(output.shape) }, (_, i) => x.data[i % x.data.length]),
]

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
