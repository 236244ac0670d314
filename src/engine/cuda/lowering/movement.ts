import type { ProgramNode } from '../../../graph/program.ts'
import { around } from '../../plan/axis.ts'
import { type Lowering, optional, u32, value } from './lowering.ts'

export function lowerReshape(lowering: Lowering, { inputs: [x], outputs: [y] }: ProgramNode): void {
  lowering.alias(y, x)
}

export function lowerConcat(lowering: Lowering, { inputs, outputs: [y], attributes }: ProgramNode): void {
  const type = lowering.join(inputs)
  const parts = inputs.map((tensor) => lowering.read(tensor, type))
  const axis = Number(attributes.axis)
  const { outer, size, inner } = around(lowering.shape(y), axis)
  const to = lowering.write(y, type)
  if (parts.length <= 4) {
    const sizes = [0, 1, 2, 3].map((i) => (i < parts.length ? lowering.shape(inputs[i])[axis] * inner : 0))
    const sources = [0, 1, 2, 3].map((i) => optional(parts[i] ?? null))
    const list = [value(to), ...sources, u32(outer), ...sizes.map(u32)]
    lowering.each('copy-blocks', 'joinBlocks', type, lowering.count(y), lowering.pack(type), list)
    return
  }
  let offset = 0
  for (const [i, part] of parts.entries()) {
    const own = lowering.shape(inputs[i])[axis] * inner
    const sizes = [outer, own, size * inner, offset, own, 0].map(u32)
    const list = [value(to), value(part), ...sizes]
    lowering.each('copy-blocks', 'copyBlocks', type, outer * own, lowering.pack(type), list)
    offset += own
  }
}

export function lowerSlice(lowering: Lowering, { inputs: [x], outputs: [y], attributes }: ProgramNode): void {
  const type = lowering.join([x])
  const from = lowering.read(x, type)
  const { outer, size, inner } = around(lowering.shape(x), Number(attributes.axis))
  const [own, start] = [Number(attributes.size) * inner, Number(attributes.start) * inner]
  const sizes = [outer, own, own, 0, size * inner, start].map(u32)
  const list = [value(lowering.write(y, type)), value(from), ...sizes]
  lowering.each('copy-blocks', 'copyBlocks', type, outer * own, lowering.pack(type), list)
}

export function lowerPad(lowering: Lowering, { inputs: [x], outputs: [y], attributes }: ProgramNode): void {
  const type = lowering.join([x])
  const from = lowering.read(x, type)
  const { outer, size, inner } = around(lowering.shape(x), Number(attributes.axis))
  const sizes = [outer, Number(attributes.before) * inner, size * inner, Number(attributes.after) * inner].map(u32)
  const list = [value(lowering.write(y, type)), value(from), ...sizes]
  lowering.each('copy-blocks', 'padBlocks', type, lowering.count(y), 1, list)
}

/** gatherTokens picks from its sample, gatherRows from one table for all. */
export function lowerGather(lowering: Lowering, node: ProgramNode): void {
  const [x, indices] = node.inputs
  const [y] = node.outputs
  const ofTable = node.operation === 'gatherRows'
  const type = ofTable ? lowering.precision : lowering.join([x])
  const from = lowering.read(x, type)
  const [batch, picked] = lowering.shape(indices)
  const width = lowering.shape(y)[2]
  const sizes = [batch * picked, picked, ofTable ? 0 : lowering.shape(x)[1], width].map(u32)
  const list = [value(lowering.write(y, type)), value(from), value(lowering.raw(indices)), ...sizes]
  lowering.each('tokens', 'gatherTokens', type, lowering.count(y), lowering.pack(type), list)
}

export function lowerScatterTokens(lowering: Lowering, { inputs, outputs: [x] }: ProgramNode): void {
  const [y, indices] = inputs
  const type = lowering.join([y])
  const from = lowering.read(y, type)
  const [batch, tokens, width] = lowering.shape(x)
  lowering.launch({
    kernel: 'tokens',
    entry: 'scatterTokens',
    element: type,
    grid: [tokens, batch, 1],
    block: [128, 1],
    arguments: [
      ...[lowering.write(x, type), from, lowering.raw(indices)].map((id) => value(id)),
      ...[tokens, lowering.shape(indices)[1], width].map(u32),
    ],
  })
}
