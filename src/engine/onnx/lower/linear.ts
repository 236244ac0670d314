import type { LoweringRule } from './context.ts'

/** One Gemm over all rows; the weights keep their [O, I] layout. */
export const linear: LoweringRule = ({ inputs, outputs: [y] }, context) => {
  const [x, w, b] = inputs
  const operands = [context.rows(x), context.value(w)]
  if (b !== undefined) operands.push(context.value(b))
  context.fromRows(y, (into) => context.emit('Gemm', operands, { transB: 1 }, into))
}
