import type { ProgramNode, TensorId } from '../../../graph/program.ts'
import type { ValueId } from '../../plan/values.ts'
import type { MatmulShape } from '../device.ts'
import { launchGelu, launchGeluGradient } from './elementwise.ts'
import type { Lowering } from './lowering.ts'
import { sumRows } from './reductions.ts'

/** Sizes of `x [rows, inner] w [outer, inner]^T`. */
function sizes(lowering: Lowering, w: TensorId, rowsOf: TensorId, width: number): [number, number, number] {
  const [outer, inner] = lowering.shape(w)
  return [lowering.count(rowsOf) / width, outer, inner]
}

function forwardShape(lowering: Lowering, [rows, outer, inner]: readonly number[]): MatmulShape {
  const type = lowering.precision
  return {
    ...{ rows, columns: outer, inner, transposeA: false, transposeB: true },
    ...{ input: type, output: type, addend: false, epilogue: 'none' },
  }
}

/** linear: inputs x, w, (b); linearAdd: one more input, the residual to add. */
export function lowerLinear(lowering: Lowering, { operation, inputs, outputs: [y] }: ProgramNode): void {
  const residual = operation === 'linearAdd' ? inputs[inputs.length - 1] : null
  const [x, w, b] = residual === null ? inputs : inputs.slice(0, -1)
  const type = lowering.precision
  const shape = forwardShape(lowering, sizes(lowering, w, x, lowering.shape(w)[1]))
  const operands = {
    a: lowering.read(x, type),
    b: lowering.read(w, type),
    bias: b === undefined ? null : lowering.read(b, type),
    addend: residual === null ? null : lowering.read(residual, type),
  }
  lowering.matmul({
    shape: { ...shape, addend: residual !== null, epilogue: b === undefined ? 'none' : 'bias' },
    ...operands,
    d: lowering.write(y, type),
    auxiliary: null,
  })
}

/** linear and gelu; where the library cannot do both at once, one behind the other. */
export function lowerLinearGelu(lowering: Lowering, { inputs: [x, w, b], outputs }: ProgramNode): void {
  const [before, after] = outputs
  const type = lowering.precision
  const plain = forwardShape(lowering, sizes(lowering, w, x, lowering.shape(w)[1]))
  const operands = {
    a: lowering.read(x, type),
    b: lowering.read(w, type),
    bias: b === undefined ? null : lowering.read(b, type),
    addend: null,
  }
  const sum = lowering.write(before, type)
  const result = lowering.write(after, type)
  const fused: MatmulShape = { ...plain, epilogue: b === undefined ? 'gelu' : 'biasGelu' }
  if (lowering.context.supportsMatmul(fused)) {
    lowering.matmul({ shape: fused, ...operands, d: result, auxiliary: sum })
    return
  }
  const shape: MatmulShape = { ...plain, epilogue: b === undefined ? 'none' : 'bias' }
  lowering.matmul({ shape, ...operands, d: sum, auxiliary: null })
  launchGelu(lowering, type, sum, result, lowering.count(after))
}

/** linearInputGradient; linearInputGradientGelu: one more input, what gelu was given. */
export function lowerLinearInputGradient(lowering: Lowering, node: ProgramNode): void {
  const [dy, w, beforeGelu] = node.inputs
  const [dx] = node.outputs
  const type = lowering.precision
  const [rows, outer, inner] = sizes(lowering, w, dy, lowering.shape(w)[0])
  const shape: MatmulShape = {
    ...{ rows, columns: inner, inner: outer, transposeA: false, transposeB: false },
    ...{ input: type, output: type, addend: false, epilogue: 'none' },
  }
  const operands = { a: lowering.read(dy, type), b: lowering.read(w, type), bias: null, addend: null }
  const auxiliary = node.operation === 'linearInputGradientGelu' ? lowering.read(beforeGelu, type) : null
  const fused: MatmulShape = { ...shape, epilogue: 'geluGradient' }
  if (auxiliary === null || lowering.context.supportsMatmul(fused)) {
    const d = lowering.write(dx, type)
    lowering.matmul({ shape: auxiliary === null ? shape : fused, ...operands, d, auxiliary })
    return
  }
  const between = lowering.temporary(lowering.count(dx), type)
  lowering.matmul({ shape, ...operands, d: between, auxiliary: null })
  launchGeluGradient(lowering, type, between, auxiliary, lowering.write(dx, type), lowering.count(dx))
}

/** Parameter gradients are float32 whatever the activations are. */
export function lowerLinearParameterGradient(lowering: Lowering, { inputs, outputs, attributes }: ProgramNode): void {
  const [dy, x] = inputs
  const [dw, db] = outputs
  const type = lowering.precision
  const [outer, inner] = lowering.shape(dw)
  const rows = lowering.count(x) / inner
  const shape: MatmulShape = {
    ...{ rows: outer, columns: inner, inner: rows, transposeA: true, transposeB: false },
    ...{ input: type, output: 'float32', addend: false, epilogue: 'none' },
  }
  const operands = { a: lowering.read(dy, type), b: lowering.read(x, type), addend: null, auxiliary: null }
  const d = lowering.write(dw, 'float32')
  const bias: ValueId | null = attributes.bias === true ? lowering.write(db, 'float32') : null
  const fused: MatmulShape = { ...shape, epilogue: 'rowSums' }
  if (bias !== null && lowering.context.supportsMatmul(fused)) {
    lowering.matmul({ shape: fused, ...operands, d, bias })
    return
  }
  lowering.matmul({ shape, ...operands, d, bias: null })
  if (bias !== null) {
    sumRows(lowering, { x: operands.a, type, batch: 1, rows, columns: outer, factor: 1, to: bias })
  }
}
