import type { LoweringRule } from './context.ts'

/** One Gemm over all rows; the weights keep their [O, I] layout. */
export const linear: LoweringRule = ({ inputs, outputs: [y] }, context) => {
  const [x, w, b] = inputs
  const operands = [context.rows(x), context.value(w)]
  if (b !== undefined) operands.push(context.value(b))
  context.fromRows(y, (into) => context.emit('Gemm', operands, { transB: 1 }, into))
}

export const linearInputGradient: LoweringRule = ({ inputs: [dy, w], outputs: [dx] }, context) => {
  context.fromRows(dx, (into) => context.emit('Gemm', [context.rows(dy), context.value(w)], {}, into))
}

export const linearParameterGradient: LoweringRule = ({ inputs: [dy, x], outputs: [dw, db] }, context) => {
  if (context.isRead(dw)) {
    context.emit('Gemm', [context.rows(dy), context.rows(x)], { transA: 1 }, context.value(dw))
    context.computeSoon(context.value(dw))
  }
  if (db === undefined || !context.isRead(db)) return
  context.sumRows(context.rows(dy), dy, context.value(db))
  context.computeSoon(context.value(db))
}
