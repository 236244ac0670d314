import type { ProgramNode } from '../../../graph/program.ts'
import { elementBytes, type FloatType } from '../../plan/values.ts'
import { f32, type Lowering, optional, u32, value } from './lowering.ts'

const warpsPerBlock = 4

interface RowKernel {
  readonly kernel: 'layer-norm' | 'layer-norm-rows'
  readonly defines: Readonly<Record<string, number>>
  /** Blocks of the gradient that a multiprocessor has room for. */
  readonly blocks: number
}

/** Rows of whole 16-byte accesses are held in registers, up to as many values a lane as do not spill (kernel-report). */
const mostPerLane = 44

export function rowKernel(type: FloatType, width: number): RowKernel {
  const pack = 16 / elementBytes[type]
  const packs = Math.ceil(width / (32 * pack))
  if (width % pack !== 0 || packs * pack > mostPerLane) return { kernel: 'layer-norm', defines: {}, blocks: 4 }
  return { kernel: 'layer-norm-rows', defines: { PACKS: packs }, blocks: packs * pack <= 16 ? 6 : 4 }
}

export function lowerLayerNorm(lowering: Lowering, { inputs, outputs, attributes }: ProgramNode): void {
  const [x, gamma, beta] = inputs
  const type = lowering.precision
  const read = [lowering.read(x, type), lowering.read(gamma, 'float32'), lowering.read(beta, 'float32')]
  const width = lowering.count(gamma)
  const rows = lowering.count(x) / width
  const { kernel, defines } = rowKernel(type, width)
  const written = [
    lowering.write(outputs[0], type),
    lowering.write(outputs[1], 'float32'),
    lowering.write(outputs[2], 'float32'),
  ]
  lowering.launch({
    kernel,
    entry: 'layerNorm',
    element: type,
    defines,
    grid: [Math.ceil(rows / warpsPerBlock), 1, 1],
    block: [warpsPerBlock * 32, 1],
    arguments: [...written, ...read]
      .map((id) => value(id))
      .concat([u32(rows), u32(width), f32(Number(attributes.epsilon))]),
  })
}

/** layerNormGradient; layerNormGradientAdd: one more input, another gradient of x that is added to dx. */
export function lowerLayerNormGradient(lowering: Lowering, { inputs, outputs }: ProgramNode): void {
  const [dy, x, gamma, mean, inverse, addend] = inputs
  const [dx, dgamma, dbeta] = outputs
  const type = lowering.precision
  const width = lowering.count(gamma)
  const rows = lowering.count(x) / width
  const { kernel, defines, blocks: resident } = rowKernel(type, width)
  const read = [
    lowering.read(dy, type),
    lowering.read(x, type),
    ...[gamma, mean, inverse].map((tensor) => lowering.read(tensor, 'float32')),
  ]
  const added = addend === undefined ? null : lowering.read(addend, type)
  // Each warp has its own sums for gamma and beta in shared memory: fewer warps where rows are wide.
  let warps = warpsPerBlock
  while (warps > 1 && warps * width * 8 > Math.min(64 << 10, lowering.context.sharedMemoryPerBlock)) warps /= 2
  const blocks = Math.min(Math.ceil(rows / warps), lowering.context.multiprocessors * resident)
  const to = lowering.write(dx, type)
  const partial = lowering.temporary(2 * blocks * width, 'float32')
  lowering.launch({
    kernel,
    entry: 'layerNormGradient',
    element: type,
    defines,
    grid: [blocks, 1, 1],
    block: [warps * 32, 1],
    shared: warps * width * 8,
    arguments: [value(to), value(partial), ...read.map((id) => value(id)), optional(added), u32(rows), u32(width)],
  })
  lowering.launch({
    kernel: 'sum-rows',
    entry: 'sumPartialPairs',
    element: lowering.precision,
    grid: [Math.ceil(width / 32), 2, 1],
    block: [32, 32],
    arguments: [
      ...[lowering.write(dgamma, 'float32'), lowering.write(dbeta, 'float32'), partial].map((id) => value(id)),
      ...[blocks, width].map(u32),
    ],
  })
}
