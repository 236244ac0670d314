import type { KernelOf } from '../kernel.ts'

export const meanSquaredError: KernelOf<'meanSquaredError'> = ([prediction, target, weight]) => {
  const values = prediction.shape[2]
  let sum = 0
  let weights = 0
  for (let m = 0; m < prediction.data.length / values; m++) {
    let square = 0
    for (let p = m * values; p < (m + 1) * values; p++) square += (prediction.data[p] - target.data[p]) ** 2
    const w = weight === undefined ? 1 : weight.data[m]
    sum += (w * square) / values
    weights += w
  }
  return [Float64Array.of(sum / weights)]
}
