import type { LoweringRule } from './context.ts'

export const gelu: LoweringRule = ({ inputs: [x], outputs: [y] }, context) => {
  if (!context.standardOnly) {
    context.emitMicrosoft('Gelu', [context.value(x)], {}, context.value(y))
    return
  }
  const erf = context.emit('Erf', [context.scaled(context.value(x), Math.SQRT1_2)])
  const phi = context.scaled(context.emit('Add', [erf, context.float(1)]), 0.5)
  context.emit('Mul', [context.value(x), phi], {}, context.value(y))
}
