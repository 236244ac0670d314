import type { KernelOf } from '../kernel.ts'
import { logSumExp } from '../log-sum-exp.ts'

export const softmaxCrossEntropyGradient: KernelOf<'softmaxCrossEntropyGradient'> = ([dLoss, logits, targets]) => {
  const [batch, classes] = logits.shape
  const dLogits = new Float64Array(batch * classes)
  for (let b = 0; b < batch; b++) {
    const row = logits.data.subarray(b * classes, (b + 1) * classes)
    const target = targets.data.subarray(b * classes, (b + 1) * classes)
    const denominator = logSumExp(row)
    const sum = target.reduce((total, value) => total + value, 0)
    for (let c = 0; c < classes; c++) {
      const probability = Math.exp(row[c] - denominator)
      dLogits[b * classes + c] = (dLoss.data[0] * (probability * sum - target[c])) / batch
    }
  }
  return [dLogits]
}
