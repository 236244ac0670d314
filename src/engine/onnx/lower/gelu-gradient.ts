import type { LoweringRule } from './context.ts'

/**
 * With t = x / sqrt(2): Phi = erf(t) / 2 + 1/2 (HardSigmoid is that in one pass, its clipping does nothing here) and
 * x phi(x) = t / exp(t^2) / sqrt(pi), where exp may overflow to infinity and the quotient to 0, its limit.
 */
export const geluGradient: LoweringRule = ({ inputs: [dy, x], outputs: [dx] }, context) => {
  const t = context.scaled(context.value(x), Math.SQRT1_2)
  const cumulative = context.emit('HardSigmoid', [context.emit('Erf', [t])], {
    alpha: { float: 0.5 },
    beta: { float: 0.5 },
  })
  const decay = context.emit('Exp', [context.emit('Mul', [t, t])])
  const density = context.scaled(context.emit('Div', [t, decay]), 1 / Math.sqrt(Math.PI))
  const slope = context.emit('Add', [cumulative, density])
  context.emit('Mul', [context.value(dy), slope], {}, context.value(dx))
}
