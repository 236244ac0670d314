import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { sameShape } from '../program.ts'
import { softmaxCrossEntropyGradient } from './softmax-cross-entropy-gradient.ts'

/**
 * Cross-entropy with soft targets (label smoothing, mixup): logits [B, C], targets [B, C] ->
 * scalar `mean over B of -sum(target * log softmax(logits))`. Gradient for the logits alone.
 */
export const softmaxCrossEntropyOperation: Operation<Record<string, never>> = {
  name: 'softmaxCrossEntropy',
  infer(inputs) {
    const [logits, targets] = inputs
    const ok = inputs.length === 2 && logits.shape.length === 2 && sameShape(logits.shape, targets.shape)
    expectShape(ok, 'softmaxCrossEntropy', 'logits and targets [B, C]', inputs)
    return [spec([])]
  },
  gradient({ inputs: [logits, targets], gradients: [dLoss] }) {
    return [dLoss && softmaxCrossEntropyGradient(dLoss, logits, targets), null]
  },
}

export function softmaxCrossEntropy(logits: Tensor, targets: Tensor): Tensor {
  return logits.graph.apply(softmaxCrossEntropyOperation, [logits, targets], {})[0]
}
