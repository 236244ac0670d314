import type { LoweringRule } from './context.ts'

export const linearParameterGradient: LoweringRule = ({ inputs: [dy, x], outputs: [dw, db] }, context) => {
  if (context.isRead(dw)) {
    context.emit('Gemm', [context.rows(dy), context.rows(x)], { transA: 1 }, context.value(dw))
  }
  if (db !== undefined && context.isRead(db)) context.sumRows(context.rows(dy), context.value(db))
}
