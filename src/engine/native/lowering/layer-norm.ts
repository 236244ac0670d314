import type { ProgramNode } from '../../../graph/program.ts'
import { integer, type Lowering, optional, real, typed, value } from './lowering.ts'

export function lowerLayerNorm(lowering: Lowering, { inputs, outputs, attributes }: ProgramNode): void {
  const [x, gamma, beta] = inputs
  const type = lowering.precision
  const read = [lowering.read(x, type), lowering.read(gamma, 'float32'), lowering.read(beta, 'float32')]
  const width = lowering.count(gamma)
  const written = [
    lowering.write(outputs[0], type),
    lowering.write(outputs[1], 'float32'),
    lowering.write(outputs[2], 'float32'),
  ]
  const sizes = [integer(lowering.count(x) / width), integer(width), real(Number(attributes.epsilon))]
  lowering.step(typed('layer_norm', type), [...[...written, ...read].map((id) => value(id)), ...sizes])
}

/** layerNormGradient; layerNormGradientAdd: one more input, another gradient of x that is added to dx. */
export function lowerLayerNormGradient(lowering: Lowering, { inputs, outputs }: ProgramNode): void {
  const [dy, x, gamma, mean, inverse, addend] = inputs
  const [dx, dgamma, dbeta] = outputs
  const type = lowering.precision
  const width = lowering.count(gamma)
  const rows = lowering.count(x) / width
  const read = [
    lowering.read(dy, type),
    lowering.read(x, type),
    ...[gamma, mean, inverse].map((tensor) => lowering.read(tensor, 'float32')),
  ]
  const added = addend === undefined ? null : lowering.read(addend, type)
  const parts = Math.min(lowering.rowParts, rows)
  const partial = lowering.temporary(parts * 2 * width, 'float32')
  const tensors = [lowering.write(dx, type), partial, ...read].map((id) => value(id))
  const sizes = [rows, width].map(integer)
  lowering.step(typed('layer_norm_gradient', type), [...tensors, optional(added), ...sizes], parts)
  const sums = [lowering.write(dgamma, 'float32'), lowering.write(dbeta, 'float32'), partial].map((id) => value(id))
  lowering.step('layer_norm_parameters', [...sums, integer(parts), integer(width)])
}
