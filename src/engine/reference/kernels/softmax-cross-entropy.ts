import type { KernelOf } from '../kernel.ts'
import { logSumExp } from '../log-sum-exp.ts'

export const softmaxCrossEntropy: KernelOf<'softmaxCrossEntropy'> = ([logits, targets]) => {
  const [batch, classes] = logits.shape
  let loss = 0
  for (let b = 0; b < batch; b++) {
    const row = logits.data.subarray(b * classes, (b + 1) * classes)
    const denominator = logSumExp(row)
    for (let c = 0; c < classes; c++) loss -= targets.data[b * classes + c] * (row[c] - denominator)
  }
  return [Float64Array.of(loss / batch)]
}
