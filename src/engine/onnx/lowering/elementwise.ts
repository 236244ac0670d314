import { type LoweringRule, numberAttribute } from './context.ts'

/** Suffix broadcasting is the broadcasting of ONNX. */
export const add: LoweringRule = ({ inputs: [a, b], outputs: [y] }, context) => {
  context.emit('Add', [context.value(a), context.value(b)], {}, context.value(y))
}

/** Suffix broadcasting is the broadcasting of ONNX. */
export const multiply: LoweringRule = ({ inputs: [a, b], outputs: [y] }, context) => {
  context.emit('Mul', [context.value(a), context.value(b)], {}, context.value(y))
}

export const scale: LoweringRule = (node, context) => {
  context.scaled(context.value(node.inputs[0]), numberAttribute(node, 'factor'), context.value(node.outputs[0]))
}

export const scaleSamples: LoweringRule = ({ inputs: [x, s], outputs: [y] }, context) => {
  const { shape } = context.spec(x)
  const column = context.reshape(
    context.value(s),
    shape.map((size, axis) => (axis === 0 ? size : 1)),
    context.isBatched(s),
  )
  context.emit('Mul', [context.value(x), column], {}, context.value(y))
}

export const gelu: LoweringRule = ({ inputs: [x], outputs: [y] }, context) => {
  if (!context.standardOnly) {
    context.emitMicrosoft('Gelu', [context.value(x)], {}, context.value(y))
    return
  }
  const erf = context.emit('Erf', [context.scaled(context.value(x), Math.SQRT1_2)])
  const phi = context.scaled(context.emit('Add', [erf, context.float(1)]), 0.5)
  context.emit('Mul', [context.value(x), phi], {}, context.value(y))
}

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

export const absolute: LoweringRule = ({ inputs: [x], outputs: [y] }, context) => {
  context.emit('Abs', [context.value(x)], {}, context.value(y))
}

export const squareRoot: LoweringRule = ({ inputs: [x], outputs: [y] }, context) => {
  context.emit('Sqrt', [context.value(x)], {}, context.value(y))
}
