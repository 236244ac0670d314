import { asMatrix, type KernelOf } from '../kernel.ts'

export const layerNorm: KernelOf<'layerNorm'> = ([x, gamma, beta], { epsilon }) => {
  const { rows, width } = asMatrix(x)
  const y = new Float64Array(x.data.length)
  const means = new Float64Array(rows)
  const inverses = new Float64Array(rows)
  for (let r = 0; r < rows; r++) {
    const row = x.data.subarray(r * width, (r + 1) * width)
    let mean = 0
    for (const value of row) mean += value / width
    let variance = 0
    for (const value of row) variance += (value - mean) ** 2 / width
    const inverse = 1 / Math.sqrt(variance + epsilon)
    for (let d = 0; d < width; d++) y[r * width + d] = (row[d] - mean) * inverse * gamma.data[d] + beta.data[d]
    means[r] = mean
    inverses[r] = inverse
  }
  return [y, means, inverses]
}
