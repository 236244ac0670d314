import { type PatchAttributes, type PatchifyAttributes, patchGrid } from '../../../graph/operations/patches.ts'
import type { ProgramNode } from '../../../graph/program.ts'
import { pixelFactors } from '../../plan/pixel-factors.ts'
import { integer, type Lowering, optional, refused, typed, value } from './lowering.ts'

export function lowerPatchify(lowering: Lowering, { inputs, outputs: [y], attributes }: ProgramNode): void {
  const { tubelet, patch, layout } = attributes as PatchifyAttributes
  const specs = inputs.map((tensor) => lowering.program.tensors[tensor])
  const { batch, tokens, frames, height, width, channels } = patchGrid('patchify', specs, { tubelet, patch }, layout)
  const [video, indices] = inputs
  const bytes = specs[0].dtype === 'uint8'
  const type = lowering.precision
  const from = bytes ? lowering.raw(video) : lowering.read(video, 'float32')
  const sizes = [batch, tokens, frames, height, width, channels, tubelet, patch, layout === 'BTCHW' ? 1 : 0]
  lowering.step(typed(bytes ? 'patchify_bytes' : 'patchify_floats', type), [
    value(lowering.write(y, type)),
    value(from),
    optional(indices === undefined ? null : lowering.raw(indices)),
    value(lowering.constant(pixelFactors(attributes as PatchifyAttributes, bytes))),
    refused,
    ...sizes.map(integer),
  ])
}

export function lowerPatchTargets(lowering: Lowering, { inputs, outputs: [y], attributes }: ProgramNode): void {
  const { tubelet, patch } = attributes as PatchAttributes
  const specs = inputs.map((tensor) => lowering.program.tensors[tensor])
  const { batch, tokens, frames, height, width, channels } = patchGrid('patchTargets', specs, { tubelet, patch })
  const type = lowering.precision
  const read = inputs.map((tensor) => value(lowering.raw(tensor)))
  const normalize = attributes.normalize === true ? 1 : 0
  const sizes = [batch, tokens, frames, height, width, channels, tubelet, patch, normalize].map(integer)
  lowering.step(typed('patch_targets', type), [value(lowering.write(y, type)), ...read, refused, ...sizes])
}
