import { elementCount } from '../../../graph/program.ts'
import type { RuleOf } from '../rule.ts'
import { sumRows } from '../sums.ts'

export const sumLeading: RuleOf<'sumLeading'> = (tf, [x], _, { outputs }) => {
  const width = elementCount(outputs[0].shape)
  return [tf.reshape(sumRows(tf, tf.reshape(x, [x.size / width, width])), outputs[0].shape.slice())]
}

export const broadcastLeading: RuleOf<'broadcastLeading'> = (tf, [x], _, { outputs }) => {
  const times = elementCount(outputs[0].shape) / x.size
  return [tf.reshape(tf.tile(tf.reshape(x, [1, x.size]), [times, 1]), outputs[0].shape.slice())]
}

export const meanTokens: RuleOf<'meanTokens'> = (tf, [x]) => [tf.mean(x, 1)]

export const meanTokensGradient: RuleOf<'meanTokensGradient'> = (tf, [dy], { tokens }) => {
  const [batch, width] = dy.shape
  return [tf.tile(tf.reshape(tf.div(dy, tokens), [batch, 1, width]), [1, tokens, 1])]
}
