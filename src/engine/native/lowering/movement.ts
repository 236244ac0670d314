import type { ProgramNode } from '../../../graph/program.ts'
import { around } from '../../plan/axis.ts'
import { elementBytes } from '../../plan/values.ts'
import { integer, type Lowering, refused, typed, value } from './lowering.ts'

export function lowerReshape(lowering: Lowering, { inputs: [x], outputs: [y] }: ProgramNode): void {
  lowering.alias(y, x)
}

export function lowerConcat(lowering: Lowering, { inputs, outputs: [y], attributes }: ProgramNode): void {
  const type = lowering.join(inputs)
  const parts = inputs.map((tensor) => lowering.read(tensor, type))
  const axis = Number(attributes.axis)
  const { outer, size, inner } = around(lowering.shape(y), axis)
  const unit = inner * elementBytes[type]
  const to = lowering.write(y, type)
  let offset = 0
  for (const [i, part] of parts.entries()) {
    const own = lowering.shape(inputs[i])[axis] * unit
    lowering.step('copy_blocks', [value(to), value(part), ...[outer, own, size * unit, offset, own, 0].map(integer)])
    offset += own
  }
}

export function lowerSlice(lowering: Lowering, { inputs: [x], outputs: [y], attributes }: ProgramNode): void {
  const { outer, size, inner } = around(lowering.shape(x), Number(attributes.axis))
  const [start, own] = [Number(attributes.start) * inner, Number(attributes.size) * inner]
  if (outer === 1) {
    lowering.view(y, x, start)
    return
  }
  const type = lowering.join([x])
  const from = lowering.read(x, type)
  const unit = elementBytes[type]
  const sizes = [outer, own * unit, own * unit, 0, size * inner * unit, start * unit].map(integer)
  lowering.step('copy_blocks', [value(lowering.write(y, type)), value(from), ...sizes])
}

export function lowerPad(lowering: Lowering, { inputs: [x], outputs: [y], attributes }: ProgramNode): void {
  const type = lowering.join([x])
  const from = lowering.read(x, type)
  const { outer, size, inner } = around(lowering.shape(x), Number(attributes.axis))
  const unit = inner * elementBytes[type]
  const sizes = [outer, Number(attributes.before) * unit, size * unit, Number(attributes.after) * unit].map(integer)
  lowering.step('pad_blocks', [value(lowering.write(y, type)), value(from), ...sizes])
}

/** gatherTokens picks from its sample, gatherRows from one table for all. */
export function lowerGather(lowering: Lowering, node: ProgramNode): void {
  const [x, indices] = node.inputs
  const [y] = node.outputs
  const ofTable = node.operation === 'gatherRows'
  const type = ofTable ? lowering.precision : lowering.join([x])
  const from = lowering.read(x, type)
  const [batch, picked] = lowering.shape(indices)
  const rows = lowering.shape(x)[ofTable ? 0 : 1]
  const bytes = lowering.shape(y)[2] * elementBytes[type]
  const tensors = [lowering.write(y, type), from, lowering.raw(indices)].map((id) => value(id))
  const sizes = [batch * picked, picked, ofTable ? 0 : rows, bytes, rows].map(integer)
  lowering.step('gather_rows', [...tensors, refused, ...sizes])
}

export function lowerScatterTokens(lowering: Lowering, { inputs, outputs: [x] }: ProgramNode): void {
  const [y, indices] = inputs
  const type = lowering.join([y])
  const from = lowering.read(y, type)
  const [batch, tokens, width] = lowering.shape(x)
  const tensors = [lowering.write(x, type), from, lowering.raw(indices)].map((id) => value(id))
  const sizes = [batch, tokens, lowering.shape(indices)[1], width].map(integer)
  lowering.step(typed('scatter_rows', type), [...tensors, refused, ...sizes])
}
