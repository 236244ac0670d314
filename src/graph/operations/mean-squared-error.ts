import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { sameShape, type TensorSpec } from '../program.ts'
import { meanSquaredErrorGradient } from './mean-squared-error-gradient.ts'

export function expectPrediction(name: string, inputs: readonly TensorSpec[]): void {
  const [prediction, target, weight] = inputs
  const ok =
    prediction.shape.length === 3 &&
    sameShape(prediction.shape, target.shape) &&
    (weight === undefined || sameShape(weight.shape, prediction.shape.slice(0, 2)))
  expectShape(ok, name, 'prediction and target [B, M, P], optionally weight [B, M]', inputs)
}

/**
 * Mean squared error: prediction and target [B, M, P] -> scalar. Without weights the mean over everything; with
 * weight [B, M]: `sum(weight * mean over P) / sum(weight)` (VideoMAE V2, eq. 3: only tokens the encoder did not see).
 * Gradient for the prediction alone.
 */
export const meanSquaredErrorOperation: Operation<Record<string, never>> = {
  name: 'meanSquaredError',
  infer(inputs) {
    expectPrediction('meanSquaredError', inputs)
    return [spec([])]
  },
  gradient({ inputs: [prediction, target, weight], gradients: [dLoss] }) {
    return [dLoss && meanSquaredErrorGradient(dLoss, prediction, target, weight ?? null), null, null]
  },
}

export function meanSquaredError(prediction: Tensor, target: Tensor, weight: Tensor | null = null): Tensor {
  const inputs = weight === null ? [prediction, target] : [prediction, target, weight]
  return prediction.graph.apply(meanSquaredErrorOperation, inputs, {})[0]
}
