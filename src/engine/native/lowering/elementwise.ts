import type { ProgramNode } from '../../../graph/program.ts'
import { integer, type Lowering, real, typed, value } from './lowering.ts'

/** add, multiply: both operands in one type; the second repeats over the leading axes of the first. */
export function lowerPair(lowering: Lowering, { operation, inputs, outputs: [y] }: ProgramNode): void {
  const type = lowering.join(inputs)
  const operands = inputs.map((tensor) => lowering.read(tensor, type))
  const counts = [lowering.count(y), lowering.count(inputs[1])].map(integer)
  const tensors = [lowering.write(y, type), ...operands].map((id) => value(id))
  lowering.step(typed(operation, type), [...tensors, ...counts])
}

export function lowerScale(lowering: Lowering, { inputs, outputs: [y], attributes }: ProgramNode): void {
  const type = lowering.join(inputs)
  const x = lowering.read(inputs[0], type)
  const to = lowering.write(y, type)
  const sizes = [integer(lowering.count(y)), real(Number(attributes.factor))]
  lowering.step(typed('scale', type), [value(to), value(x), ...sizes])
}

/** The factors stay float32: a drop-path factor 1 / (1 - rate) is no bfloat16 number. */
export function lowerScaleSamples(lowering: Lowering, { inputs: [x, s], outputs: [y] }: ProgramNode): void {
  const type = lowering.join([x])
  const operands = [lowering.read(x, type), lowering.read(s, 'float32')]
  const [samples] = lowering.shape(x)
  const tensors = [lowering.write(y, type), ...operands].map((id) => value(id))
  const sizes = [samples, lowering.count(y) / samples].map(integer)
  lowering.step(typed('scale_samples', type), [...tensors, ...sizes])
}

/** gelu [x], geluGradient [dy, x]. */
export function lowerGelu(lowering: Lowering, { operation, inputs, outputs: [y] }: ProgramNode): void {
  const type = lowering.precision
  const operands = inputs.map((tensor) => lowering.read(tensor, type))
  const tensors = [lowering.write(y, type), ...operands].map((id) => value(id))
  const kernel = operation === 'gelu' ? 'gelu' : 'gelu_gradient'
  lowering.step(typed(kernel, type), [...tensors, integer(lowering.count(y))])
}

/** absolute, squareRoot. */
export function lowerUnary(lowering: Lowering, { operation, inputs, outputs: [y] }: ProgramNode): void {
  const type = lowering.join(inputs)
  const x = lowering.read(inputs[0], type)
  const kernel = operation === 'absolute' ? 'absolute' : 'square_root'
  lowering.step(typed(kernel, type), [value(lowering.write(y, type)), value(x), integer(lowering.count(y))])
}
