import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { expectPrediction } from './mean-squared-error.ts'

/**
 * Gradient of `meanSquaredError`: dLoss [], prediction and target [B, M, P], optional weight [B, M] ->
 * `dLoss * 2 (prediction - target) / (B M P)`, or with weights `dLoss * 2 weight (prediction - target) / (P sum(weight))`.
 */
export const meanSquaredErrorGradientOperation: Operation<Record<string, never>> = {
  name: 'meanSquaredErrorGradient',
  infer(inputs) {
    expectPrediction('meanSquaredErrorGradient', inputs.slice(1))
    expectShape(inputs[0].shape.length === 0, 'meanSquaredErrorGradient', 'dLoss []', inputs)
    return [spec(inputs[1].shape)]
  },
  gradient: null,
}

export function meanSquaredErrorGradient(
  dLoss: Tensor,
  prediction: Tensor,
  target: Tensor,
  weight: Tensor | null,
): Tensor {
  const inputs = weight === null ? [dLoss, prediction, target] : [dLoss, prediction, target, weight]
  return prediction.graph.apply(meanSquaredErrorGradientOperation, inputs, {})[0]
}
