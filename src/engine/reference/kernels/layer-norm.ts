import { asMatrix, type KernelOf } from '../kernel.ts'

export const layerNorm: KernelOf<'layerNorm'> = ([x, gamma, beta], { epsilon }) => {
  const { rows, width } = asMatrix(x)
  const y = new Float64Array(x.data.length)
  const means = new Float64Array(rows)
  const inverses = new Float64Array(rows)
  for (let r = 0; r < rows; r++) {
    const row = x.data.subarray(r * width, (r + 1) * width)
    let mean = 0
    for (const value of row) mean += value
    mean /= width
    let variance = 0
    for (const value of row) variance += (value - mean) ** 2 / width
    const inverse = 1 / Math.sqrt(variance + epsilon)
    for (let d = 0; d < width; d++) y[r * width + d] = (row[d] - mean) * inverse * gamma.data[d] + beta.data[d]
    means[r] = mean
    inverses[r] = inverse
  }
  return [y, means, inverses]
}

export const layerNormGradient: KernelOf<'layerNormGradient'> = ([dy, x, gamma, means, inverses]) => {
  const { rows, width } = asMatrix(x)
  const dx = new Float64Array(x.data.length)
  const dgamma = new Float64Array(width)
  const dbeta = new Float64Array(width)
  for (let r = 0; r < rows; r++) {
    const normal = (d: number): number => (x.data[r * width + d] - means.data[r]) * inverses.data[r]
    const g = (d: number): number => dy.data[r * width + d] * gamma.data[d]
    let averageG = 0
    let averageGNormal = 0
    for (let d = 0; d < width; d++) {
      averageG += g(d) / width
      averageGNormal += (g(d) * normal(d)) / width
      dgamma[d] += dy.data[r * width + d] * normal(d)
      dbeta[d] += dy.data[r * width + d]
    }
    for (let d = 0; d < width; d++) {
      dx[r * width + d] = inverses.data[r] * (g(d) - averageG - normal(d) * averageGNormal)
    }
  }
  return [dx, dgamma, dbeta]
}
