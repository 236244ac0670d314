import type { RuleOf } from '../rule.ts'
import type { Tensor, Tfjs } from '../runtime.ts'

export const add: RuleOf<'add'> = (tf, [a, b]) => [tf.add(a, b)]

export const multiply: RuleOf<'multiply'> = (tf, [a, b]) => [tf.mul(a, b)]

export const scale: RuleOf<'scale'> = (tf, [x], { factor }) => [tf.mul(x, tf.scalar(factor))]

export const scaleSamples: RuleOf<'scaleSamples'> = (tf, [x, s]) => [
  tf.mul(x, tf.reshape(s, [s.shape[0], ...Array<number>(x.shape.length - 1).fill(1)])),
]

/** `(1 + erf(x / sqrt(2))) / 2`: the distribution function of the standard normal distribution. */
function normalDistribution(tf: Tfjs, x: Tensor): Tensor {
  return tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5)
}

export const gelu: RuleOf<'gelu'> = (tf, [x]) => [tf.mul(x, normalDistribution(tf, x))]

export const geluGradient: RuleOf<'geluGradient'> = (tf, [dy, x]) => {
  const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI))
  return [tf.mul(dy, tf.add(normalDistribution(tf, x), tf.mul(x, density)))]
}

export const absolute: RuleOf<'absolute'> = (tf, [x]) => [tf.abs(x)]

export const squareRoot: RuleOf<'squareRoot'> = (tf, [x]) => [tf.sqrt(x)]
