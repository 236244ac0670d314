import type { ProgramNode } from '../../../graph/program.ts'
import type { FloatType } from '../../plan/values.ts'
import { f32, type Lowering, u32, value } from './lowering.ts'

/** add, multiply: both operands in one type; the second repeats over the leading axes of the first. */
export function lowerPair(lowering: Lowering, { operation, inputs, outputs: [y] }: ProgramNode): void {
  const [a, b] = inputs
  const type = lowering.join(inputs)
  const values = [lowering.read(a, type), lowering.read(b, type)]
  const count = lowering.count(y)
  const list = [value(lowering.write(y, type)), ...values.map((id) => value(id)), u32(count), u32(lowering.count(b))]
  lowering.each(operation, operation, type, count, lowering.pack(type), list)
}

export function lowerScale(lowering: Lowering, { inputs, outputs: [y], attributes }: ProgramNode): void {
  const type = lowering.join(inputs)
  const x = lowering.read(inputs[0], type)
  const count = lowering.count(y)
  const list = [value(lowering.write(y, type)), value(x), u32(count), f32(Number(attributes.factor))]
  lowering.each('scale', 'scale', type, count, lowering.pack(type), list)
}

/** The factors stay float32: a drop-path factor 1 / (1 - rate) is no bfloat16 number. */
export function lowerScaleSamples(lowering: Lowering, { inputs: [x, s], outputs: [y] }: ProgramNode): void {
  const type = lowering.join([x])
  const values = [lowering.read(x, type), lowering.read(s, 'float32')]
  const count = lowering.count(y)
  const perSample = count / lowering.shape(x)[0]
  const list = [value(lowering.write(y, type)), ...values.map((id) => value(id)), u32(count), u32(perSample)]
  lowering.each('scale-samples', 'scaleSamples', type, count, lowering.pack(type), list)
}

export function lowerGelu(lowering: Lowering, { inputs: [x], outputs: [y] }: ProgramNode): void {
  const type = lowering.precision
  launchGelu(lowering, type, lowering.read(x, type), lowering.write(y, type), lowering.count(y))
}

export function launchGelu(lowering: Lowering, type: FloatType, x: number, y: number, count: number): void {
  lowering.each('gelu', 'gelu', type, count, lowering.pack(type), [value(y), value(x), u32(count)])
}

export function lowerGeluGradient(lowering: Lowering, { inputs: [dy, x], outputs: [dx] }: ProgramNode): void {
  const type = lowering.precision
  const operands = [lowering.read(dy, type), lowering.read(x, type)] as const
  launchGeluGradient(lowering, type, ...operands, lowering.write(dx, type), lowering.count(dx))
}

export function launchGeluGradient(
  lowering: Lowering,
  type: FloatType,
  dy: number,
  x: number,
  dx: number,
  count: number,
): void {
  const list = [value(dx), value(dy), value(x), u32(count)]
  lowering.each('gelu', 'geluGradient', type, count, lowering.pack(type), list)
}

/** absolute, squareRoot. */
export function lowerUnary(lowering: Lowering, { operation, inputs, outputs: [y] }: ProgramNode): void {
  const type = lowering.join(inputs)
  const x = lowering.read(inputs[0], type)
  const count = lowering.count(y)
  const list = [value(lowering.write(y, type)), value(x), u32(count)]
  lowering.each('unary', operation, type, count, lowering.pack(type), list)
}
