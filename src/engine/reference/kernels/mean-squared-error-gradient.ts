import type { KernelOf } from '../kernel.ts'

export const meanSquaredErrorGradient: KernelOf<'meanSquaredErrorGradient'> = ([dLoss, prediction, target, weight]) => {
  const values = prediction.shape[2]
  const rows = prediction.data.length / values
  const weights = weight === undefined ? rows : weight.data.reduce((sum, w) => sum + w, 0)
  const gradient = prediction.data.map((value, i) => {
    const w = weight === undefined ? 1 : weight.data[Math.floor(i / values)]
    return (dLoss.data[0] * 2 * w * (value - target.data[i])) / (values * weights)
  })
  return [gradient]
}
