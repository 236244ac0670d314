import { asMatrix, type KernelOf } from '../kernel.ts'
import { sumExponentials } from '../log-sum-exp.ts'

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

export const softmax: KernelOf<'softmax'> = ([x]) => {
  const { rows, width } = asMatrix(x)
  const y = new Float64Array(x.data.length)
  for (let r = 0; r < rows; r++) {
    const row = x.data.subarray(r * width, (r + 1) * width)
    const { largest, sum } = sumExponentials(row)
    for (let d = 0; d < width; d++) y[r * width + d] = Math.exp(row[d] - largest) / sum
  }
  return [y]
}

export const softmaxCrossEntropy: KernelOf<'softmaxCrossEntropy'> = ([logits, targets]) => {
  const [batch, classes] = logits.shape
  let loss = 0
  for (let b = 0; b < batch; b++) {
    const row = logits.data.subarray(b * classes, (b + 1) * classes)
    const { largest, sum } = sumExponentials(row)
    for (let c = 0; c < classes; c++) loss -= targets.data[b * classes + c] * (row[c] - largest - Math.log(sum))
  }
  return [Float64Array.of(loss / batch)]
}

export const softmaxCrossEntropyGradient: KernelOf<'softmaxCrossEntropyGradient'> = ([dLoss, logits, targets]) => {
  const [batch, classes] = logits.shape
  const dLogits = new Float64Array(batch * classes)
  for (let b = 0; b < batch; b++) {
    const row = logits.data.subarray(b * classes, (b + 1) * classes)
    const target = targets.data.subarray(b * classes, (b + 1) * classes)
    const { largest, sum } = sumExponentials(row)
    const mass = target.reduce((total, value) => total + value, 0)
    for (let c = 0; c < classes; c++) {
      const probability = Math.exp(row[c] - largest - Math.log(sum))
      dLogits[b * classes + c] = (dLoss.data[0] * (probability * mass - target[c])) / batch
    }
  }
  return [dLogits]
}
