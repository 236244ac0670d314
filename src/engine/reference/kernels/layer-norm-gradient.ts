import { asMatrix, type KernelOf } from '../kernel.ts'

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
