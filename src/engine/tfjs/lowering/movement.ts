import type { RuleOf } from '../rule.ts'
import type { Tensor, Tfjs } from '../runtime.ts'

export const reshape: RuleOf<'reshape'> = (tf, [x], { shape }) => [tf.reshape(x, shape.slice())]

export const slice: RuleOf<'slice'> = (tf, [x], { axis, start }, { outputs }) => {
  const begin = x.shape.map((_, i) => (i === axis ? start : 0))
  return [tf.slice(x, begin, outputs[0].shape.slice())]
}

export const pad: RuleOf<'pad'> = (tf, [x], { axis, before, after }) => [
  tf.pad(
    x,
    x.shape.map((_, i): [number, number] => (i === axis ? [before, after] : [0, 0])),
  ),
]

export const concat: RuleOf<'concat'> = (tf, inputs, { axis }) => [tf.concat([...inputs], axis)]

/** Indices [B, M] into tokens [B, N] as indices into [B * N]: [B * M]. */
export function flatIndices(tf: Tfjs, indices: Tensor, tokens: number): Tensor {
  const [batch, picked] = indices.shape
  const starts = tf.tensor2d(
    Int32Array.from({ length: batch }, (_, b) => b * tokens),
    [batch, 1],
    'int32',
  )
  return tf.reshape(tf.add(indices, starts), [batch * picked])
}

export const gatherTokens: RuleOf<'gatherTokens'> = (tf, [x, indices], _, { outputs }) => {
  const [batch, tokens, width] = x.shape
  const rows = tf.gather(tf.reshape(x, [batch * tokens, width]), flatIndices(tf, indices, tokens), 0)
  return [tf.reshape(rows, outputs[0].shape.slice())]
}

export const scatterTokens: RuleOf<'scatterTokens'> = (tf, [y, indices], { tokens }, { outputs }) => {
  const [batch, picked, width] = y.shape
  const rows = tf.reshape(flatIndices(tf, indices, tokens), [batch * picked, 1])
  // Rows that several indices name are summed.
  const sum = tf.scatterND(rows, tf.reshape(y, [batch * picked, width]), [batch * tokens, width])
  return [tf.reshape(sum, outputs[0].shape.slice())]
}

export const gatherRows: RuleOf<'gatherRows'> = (tf, [table, indices], _, { outputs }) => [
  tf.reshape(tf.gather(table, tf.reshape(indices, [indices.size]), 0), outputs[0].shape.slice()),
]
