import { matmul, matrixOf } from '../matmul.ts'
import type { RuleOf } from '../rule.ts'
import { sumRows } from '../sums.ts'

export const linear: RuleOf<'linear'> = (tf, [x, w, b], _, { outputs }) => {
  const product = matmul(tf, matrixOf(tf, x), w, { b: true })
  return [tf.reshape(b === undefined ? product : tf.add(product, b), outputs[0].shape.slice())]
}

export const linearInputGradient: RuleOf<'linearInputGradient'> = (tf, [dy, w], _, { outputs }) => [
  tf.reshape(matmul(tf, matrixOf(tf, dy), w), outputs[0].shape.slice()),
]

export const linearParameterGradient: RuleOf<'linearParameterGradient'> = (tf, [dy, x], { bias }) => {
  const rows = matrixOf(tf, dy)
  const dw = matmul(tf, rows, matrixOf(tf, x), { a: true })
  return bias ? [dw, sumRows(tf, rows)] : [dw]
}
