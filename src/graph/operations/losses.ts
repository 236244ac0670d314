/** Losses with their gradients, and softmax. */
import type { Operation, Tensor } from '../graph.ts'
import { sameShape, type TensorSpec } from '../program.ts'
import { expectShape, spec } from '../shape-rules.ts'

function expectPrediction(name: string, inputs: readonly TensorSpec[]): void {
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

/**
 * Mean squared error of prediction and target [B, M, P], a scalar; `weight` [B, M] weights the rows.
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function meanSquaredError(prediction: Tensor, target: Tensor, weight: Tensor | null = null): Tensor {
  const inputs = weight === null ? [prediction, target] : [prediction, target, weight]
  return prediction.graph.apply(meanSquaredErrorOperation, inputs, {})[0]
}

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

/** Softmax over the last axis, for reading probabilities out; training uses `softmaxCrossEntropy`. No gradient. */
export const softmaxOperation: Operation<Record<string, never>> = {
  name: 'softmax',
  infer(inputs) {
    expectShape(inputs.length === 1 && inputs[0].shape.length >= 1, 'softmax', 'one tensor of rank 1 or more', inputs)
    return [spec(inputs[0].shape)]
  },
  gradient: null,
}

/**
 * Softmax over the last axis.
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function softmax(x: Tensor): Tensor {
  return x.graph.apply(softmaxOperation, [x], {})[0]
}

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

/**
 * Mean cross-entropy of logits [B, C] with target probabilities [B, C].
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function softmaxCrossEntropy(logits: Tensor, targets: Tensor): Tensor {
  return logits.graph.apply(softmaxCrossEntropyOperation, [logits, targets], {})[0]
}

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
