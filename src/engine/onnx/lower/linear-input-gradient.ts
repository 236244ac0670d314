import type { LoweringRule } from './context.ts'

export const linearInputGradient: LoweringRule = ({ inputs: [dy, w], outputs: [dx] }, context) => {
  context.fromRows(dx, (into) => context.emit('Gemm', [context.rows(dy), context.value(w)], {}, into))
}
