/**
 * Matrix products in float16; everything around them is float32. The kernels of ONNX Runtime also accumulate in float16: the relative
 * error of a product grows with the square root of its terms, 0.002 at 768. So the gradients of parameters, which accumulate over all
 * tokens of a batch, stay float32 products, as does the gradient of attention.
 */
import { onnxTypes } from '../../../format/onnx.ts'
import type { LoweringContext, LoweringRule, ValueName } from '../../onnx/lowering/context.ts'

/** The product of two values, [..., M, K] and [..., K, N]. */
export type Product = (context: LoweringContext, a: ValueName, b: ValueName) => ValueName

export const float32Product: Product = (context, a, b) => context.emit('MatMul', [a, b])

export const float16Product: Product = (context, a, b) =>
  widened(context, context.emit('MatMul', [narrowed(context, a), narrowed(context, b)]))

export const linear: LoweringRule = ({ inputs, outputs: [y] }, context) => {
  const [x, w, b] = inputs
  const operands = [context.rows(x), context.value(w)]
  if (b !== undefined) operands.push(context.value(b))
  const narrow = operands.map((operand) => narrowed(context, operand))
  context.fromRows(y, (into) => widened(context, context.emit('Gemm', narrow, { transB: 1 }), into))
}

/**
 * Gradients are far smaller than what float16 represents well, and by how much changes during training: each is divided by its largest
 * magnitude first. A value that is not finite stays so.
 */
export const linearInputGradient: LoweringRule = ({ inputs: [dy, w], outputs: [dx] }, context) => {
  const rows = context.rows(dy)
  const unit = context.emit('Mul', [largestMagnitude(context, rows), context.float(1 / largestGradient)])
  const scaled = narrowed(context, context.emit('Div', [rows, unit]))
  context.fromRows(dx, (into) => {
    const product = context.emit('Gemm', [scaled, narrowed(context, context.value(w))])
    return context.emit('Mul', [widened(context, product), unit], {}, into)
  })
}

/** The largest magnitude of a gradient in float16: far above the smallest (6e-5), and sums of thousands stay below 65,504. */
const largestGradient = 16

/** Smaller than any gradient that matters; a gradient of zeros is not divided by zero. */
const tiny = 1e-30

/** Of a matrix. Rows first: one workgroup would read the whole matrix otherwise. */
function largestMagnitude(context: LoweringContext, matrix: ValueName): ValueName {
  const perRow = context.emit('ReduceMax', [context.emit('Abs', [matrix])], { axes: [1], keepdims: 0 })
  return context.emit('Add', [context.emit('ReduceMax', [perRow], { keepdims: 0 }), context.float(tiny)])
}

/** In float16. A value that several products read is converted once. */
function narrowed(context: LoweringContext, value: ValueName): ValueName {
  return context.once(`float16:${value}`, () => context.emit('Cast', [value], { to: onnxTypes.float16.id }))
}

function widened(context: LoweringContext, value: ValueName, into?: ValueName): ValueName {
  return context.emit('Cast', [value], { to: onnxTypes.float32.id }, into)
}
