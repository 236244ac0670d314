import { elementCount } from '../../../graph/program.ts'
import { matrixOf } from '../matmul.ts'
import type { RuleOf } from '../rule.ts'
import { sumRows } from '../sums.ts'

export const layerNorm: RuleOf<'layerNorm'> = (tf, [x, gamma, beta], { epsilon }, { outputs }) => {
  const rows = matrixOf(tf, x)
  const mean = tf.mean(rows, 1, true)
  const centered = tf.sub(rows, mean)
  const inverse = tf.div(1, tf.sqrt(tf.add(tf.mean(tf.square(centered), 1, true), epsilon)))
  const y = tf.add(tf.mul(tf.mul(centered, inverse), gamma), beta)
  return [y, mean, inverse].map((tensor, i) => tf.reshape(tensor, outputs[i].shape.slice()))
}

export const layerNormGradient: RuleOf<'layerNormGradient'> = (tf, [dy, x, gamma, mean, inverse], _, { outputs }) => {
  const count = elementCount(outputs[0].shape) / gamma.shape[0]
  const inverses = tf.reshape(inverse, [count, 1])
  const normal = tf.mul(tf.sub(matrixOf(tf, x), tf.reshape(mean, [count, 1])), inverses)
  const dyRows = matrixOf(tf, dy)
  const g = tf.mul(dyRows, gamma)
  const projected = tf.mul(normal, tf.mean(tf.mul(g, normal), 1, true))
  const dx = tf.mul(inverses, tf.sub(tf.sub(g, tf.mean(g, 1, true)), projected))
  return [tf.reshape(dx, outputs[0].shape.slice()), sumRows(tf, tf.mul(dyRows, normal)), sumRows(tf, dyRows)]
}
