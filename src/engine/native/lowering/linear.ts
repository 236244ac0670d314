import type { ProgramNode, TensorId } from '../../../graph/program.ts'
import type { ValueId } from '../../plan/values.ts'
import { integer, type Lowering, optional, typed, value } from './lowering.ts'

/** `struct linear_product` of kernels/linear.h. */
interface Matmul {
  readonly x: ValueId
  /** The right operand [inner, columns], packed or not. */
  readonly panels: ValueId
  readonly bias: ValueId | null
  readonly geluInput: ValueId | null
  readonly residual: ValueId | null
  readonly y: ValueId | null
  readonly gelu: ValueId | null
  readonly rows: number
  readonly inner: number
  readonly columns: number
}

const nothing = { bias: null, geluInput: null, residual: null, gelu: null }

function matmul(lowering: Lowering, p: Matmul, kernel: string = typed('linear_product', lowering.precision)): void {
  lowering.step(kernel, [
    ...[value(p.x), value(p.panels)],
    ...[p.bias, p.geluInput, p.residual, p.y, p.gelu].map(optional),
    ...[p.rows, p.inner, p.columns, p.inner, p.columns].map(integer),
  ])
}

/** linear: inputs x, w, (b); linearAdd: one more input, the residual to add. */
export function lowerLinear(lowering: Lowering, { operation, inputs, outputs: [y] }: ProgramNode): void {
  const residual = operation === 'linearAdd' ? inputs[inputs.length - 1] : null
  const [x, w, b] = residual === null ? inputs : inputs.slice(0, -1)
  const type = lowering.precision
  const operands = {
    ...forwardOperands(lowering, x, w, b),
    residual: residual === null ? null : lowering.read(residual, type),
  }
  matmul(lowering, { ...nothing, ...operands, y: lowering.write(y, type) })
}

/** linear and gelu; what gelu was given is kept for its gradient. */
export function lowerLinearGelu(lowering: Lowering, { inputs: [x, w, b], outputs }: ProgramNode): void {
  const type = lowering.precision
  const operands = forwardOperands(lowering, x, w, b)
  const [y, gelu] = outputs.map((tensor) => lowering.write(tensor, type))
  matmul(lowering, { ...nothing, ...operands, y, gelu })
}

function forwardOperands(lowering: Lowering, x: TensorId, w: TensorId, b: TensorId | undefined) {
  const [outer, inner] = lowering.shape(w)
  return {
    x: lowering.read(x, lowering.precision),
    panels: lowering.panels(w, 'panels'),
    bias: b === undefined ? null : lowering.read(b, 'float32'),
    rows: lowering.count(x) / inner,
    inner,
    columns: outer,
  }
}

/** linearInputGradient; linearInputGradientGelu: one more input, what gelu was given. */
export function lowerLinearInputGradient(lowering: Lowering, node: ProgramNode): void {
  const [dy, w, beforeGelu] = node.inputs
  const type = lowering.precision
  const [outer, inner] = lowering.shape(w)
  // Panels of float32 would be a copy of w: the kernel reads its rows.
  const plain = type === 'float32'
  const operands = {
    x: lowering.read(dy, type),
    panels: plain ? lowering.read(w, type) : lowering.panels(w, 'transposedPanels'),
    geluInput: beforeGelu === undefined ? null : lowering.read(beforeGelu, type),
  }
  const sizes = { rows: lowering.count(dy) / outer, inner: outer, columns: inner }
  const y = lowering.write(node.outputs[0], type)
  matmul(lowering, { ...nothing, ...operands, ...sizes, y }, plain ? 'linear_product_plain_f32' : undefined)
}

/** Parameter gradients are float32 whatever the activations are. */
export function lowerLinearParameterGradient(lowering: Lowering, { inputs, outputs, attributes }: ProgramNode): void {
  const type = lowering.precision
  const operands = inputs.map((tensor) => value(lowering.read(tensor, type)))
  const [outer, inner] = lowering.shape(outputs[0])
  const rows = lowering.count(inputs[1]) / inner
  const dw = lowering.write(outputs[0], 'float32')
  const db = attributes.bias === true ? lowering.write(outputs[1], 'float32') : null
  const sizes = [rows, outer, inner, outer, inner, 0].map(integer)
  lowering.step(typed('linear_weight_gradient', type), [...operands, value(dw), optional(db), ...sizes])
}
