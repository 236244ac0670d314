import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { sameShape } from '../program.ts'

/**
 * Gradient of `softmaxCrossEntropy`: dLoss [], logits and targets [B, C] ->
 * `dLoss * (softmax(logits) * sum(target) - target) / B`.
 */
export const softmaxCrossEntropyGradientOperation: Operation<Record<string, never>> = {
  name: 'softmaxCrossEntropyGradient',
  infer(inputs) {
    const [dLoss, logits, targets] = inputs
    const ok = inputs.length === 3 && dLoss.shape.length === 0 && sameShape(logits.shape, targets.shape)
    expectShape(ok, 'softmaxCrossEntropyGradient', 'dLoss [], logits and targets [B, C]', inputs)
    return [spec(logits.shape)]
  },
  gradient: null,
}

export function softmaxCrossEntropyGradient(dLoss: Tensor, logits: Tensor, targets: Tensor): Tensor {
  return logits.graph.apply(softmaxCrossEntropyGradientOperation, [dLoss, logits, targets], {})[0]
}
