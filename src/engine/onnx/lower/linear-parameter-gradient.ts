import type { LoweringRule } from './context.ts'

export const linearParameterGradient: LoweringRule = ({ inputs: [dy, x], outputs: [dw, db] }, context) => {
  if (context.isRead(dw)) {
    context.emit('Gemm', [context.rows(dy), context.rows(x)], { transA: 1 }, context.value(dw))
    context.computeSoon(context.value(dw))
  }
  if (db === undefined || !context.isRead(db)) return
  context.sumRows(context.rows(dy), dy, context.value(db))
  context.computeSoon(context.value(db))
}
