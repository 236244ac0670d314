import { VideoMaeError } from '../../../core/errors.ts'
import { type PatchAttributes, type PatchifyAttributes, patchGrid } from '../../../graph/operations/patches.ts'
import type { ProgramNode } from '../../../graph/program.ts'
import { pixelFactors } from '../../plan/pixel-factors.ts'
import { type Lowering, optional, u32, value } from './lowering.ts'

export function lowerPatchify(lowering: Lowering, { inputs, outputs: [y], attributes }: ProgramNode): void {
  const { tubelet, patch, layout } = attributes as PatchifyAttributes
  const specs = inputs.map((tensor) => lowering.program.tensors[tensor])
  const grid = patchGrid('patchify', specs, { tubelet, patch }, layout)
  const [video, indices] = inputs
  const bytes = specs[0].dtype === 'uint8'
  const type = lowering.precision
  const frames = bytes ? lowering.raw(video) : lowering.read(video, 'float32')
  const count = lowering.count(y)
  const sizes = [count, grid.tokens, grid.frames, grid.height, grid.width, grid.channels, tubelet, patch]
  lowering.each('patches', bytes ? 'patchifyBytes' : 'patchifyFloats', type, count, 1, [
    value(lowering.write(y, type)),
    value(frames),
    optional(indices === undefined ? null : lowering.raw(indices)),
    value(lowering.constant(pixelFactors(attributes as PatchifyAttributes, bytes))),
    ...[...sizes, layout === 'BTCHW' ? 1 : 0].map(u32),
  ])
}

export function lowerPatchTargets(lowering: Lowering, { inputs, outputs: [y], attributes }: ProgramNode): void {
  const { tubelet, patch } = attributes as PatchAttributes
  const specs = inputs.map((tensor) => lowering.program.tensors[tensor])
  const { batch, tokens, frames, height, width, channels } = patchGrid('patchTargets', specs, { tubelet, patch })
  if (channels > 32) {
    throw new VideoMaeError(`patchTargets takes up to 32 channels on this engine, but received ${channels}.`, {
      code: 'PROGRAM_UNSUPPORTED',
    })
  }
  const type = lowering.precision
  const [video, indices] = inputs.map((tensor) => lowering.raw(tensor))
  const sizes = [tokens, frames, height, width, channels, tubelet, patch, attributes.normalize === true ? 1 : 0]
  lowering.launch({
    kernel: 'patches',
    entry: 'patchTargets',
    element: type,
    grid: [batch * tokens, 1, 1],
    block: [32 * channels, 1],
    shared: tubelet * patch * patch * channels,
    arguments: [lowering.write(y, type), video, indices].map((id) => value(id)).concat(sizes.map(u32)),
  })
}
