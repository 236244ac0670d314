import type { RuleOf } from '../rule.ts'
import type { Tensor, Tfjs } from '../runtime.ts'
import { sumAll } from '../sums.ts'

/** Softmax over the last axis, and the logarithm of its denominators [..., 1]. */
export function softmaxTensor(tf: Tfjs, x: Tensor): { readonly probabilities: Tensor; readonly logSumExp: Tensor } {
  const last = x.shape.length - 1
  const largest = tf.max(x, last, true)
  const exponentials = tf.exp(tf.sub(x, largest))
  const sum = tf.sum(exponentials, last, true)
  return { probabilities: tf.div(exponentials, sum), logSumExp: tf.add(largest, tf.log(sum)) }
}

/** Weights [B, M, 1] and their sum []; without weights 1 and B M. */
function rowWeights(tf: Tfjs, prediction: Tensor, weight: Tensor | undefined): { weights: Tensor; total: Tensor } {
  const [batch, rows] = prediction.shape
  if (weight === undefined) return { weights: tf.scalar(1), total: tf.scalar(batch * rows) }
  return { weights: tf.reshape(weight, [batch, rows, 1]), total: sumAll(tf, weight) }
}

export const meanSquaredError: RuleOf<'meanSquaredError'> = (tf, [prediction, target, weight]) => {
  const { weights, total } = rowWeights(tf, prediction, weight)
  const means = tf.mean(tf.square(tf.sub(prediction, target)), 2, true)
  return [tf.div(sumAll(tf, tf.mul(means, weights)), total)]
}

export const meanSquaredErrorGradient: RuleOf<'meanSquaredErrorGradient'> = (
  tf,
  [dLoss, prediction, target, weight],
  _,
  { outputs },
) => {
  const { weights, total } = rowWeights(tf, prediction, weight)
  const factor = tf.div(tf.mul(dLoss, 2 / outputs[0].shape[2]), total)
  return [tf.mul(tf.sub(prediction, target), tf.mul(weights, factor))]
}

export const softmax: RuleOf<'softmax'> = (tf, [x]) => [softmaxTensor(tf, x).probabilities]

export const softmaxCrossEntropy: RuleOf<'softmaxCrossEntropy'> = (tf, [logits, targets]) => {
  const { logSumExp } = softmaxTensor(tf, logits)
  return [tf.div(sumAll(tf, tf.mul(targets, tf.sub(logSumExp, logits))), logits.shape[0])]
}

export const softmaxCrossEntropyGradient: RuleOf<'softmaxCrossEntropyGradient'> = (tf, [dLoss, logits, targets]) => {
  const { probabilities } = softmaxTensor(tf, logits)
  const mass = tf.sum(targets, 1, true)
  const difference = tf.sub(tf.mul(probabilities, mass), targets)
  return [tf.mul(difference, tf.div(dLoss, logits.shape[0]))]
}
