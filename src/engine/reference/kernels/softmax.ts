import { asMatrix, type KernelOf } from '../kernel.ts'
import { logSumExp } from '../log-sum-exp.ts'

export const softmax: KernelOf<'softmax'> = ([x]) => {
  const { rows, width } = asMatrix(x)
  const y = new Float64Array(x.data.length)
  for (let r = 0; r < rows; r++) {
    const row = x.data.subarray(r * width, (r + 1) * width)
    const denominator = logSumExp(row)
    for (let d = 0; d < width; d++) y[r * width + d] = Math.exp(row[d] - denominator)
  }
  return [y]
}
