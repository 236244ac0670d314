import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { type PatchAttributes, patchGrid } from './patch-grid.ts'

/** `mean` and `std` are per channel on [0, 1] pixels; `layout` says how the frames lie in memory. */
export type PatchifyAttributes = PatchAttributes & {
  readonly mean: readonly number[]
  readonly std: readonly number[]
  readonly layout: 'BTHWC' | 'BTCHW'
}

/**
 * Cuts frames into tubelet patches, values in the order (c, p0, p1, p2) of the flattened Conv3d kernel
 * [D, C, tubelet, patch, patch]; so `linear` with the reshaped kernel is the cube embedding (VideoMAE 3.2).
 *
 * Inputs: frames [B, T, H, W, C] or [B, T, C, H, W]; uint8 frames are normalised to `(x / 255 - mean) / std`, float32
 * frames count as normalised already. Optional int32 indices [B, M]: only those patches, in that order.
 * Output: [B, N or M, C * tubelet * patch^2], token index (t * h + y) * w + x. No gradient: frames are data.
 */
export const patchifyOperation: Operation<PatchifyAttributes> = {
  name: 'patchify',
  integerInputs: [0, 1],
  infer(inputs, attributes) {
    const { batch, tokens, values, channels } = patchGrid('patchify', inputs, attributes, attributes.layout)
    const { mean, std } = attributes
    expectShape(
      inputs[0].dtype !== 'int32' && mean.length === channels && std.length === channels,
      'patchify',
      `uint8 or float32 frames of ${mean.length} channels`,
      inputs,
    )
    return [spec([batch, tokens, values])]
  },
  gradient: null,
}

export function patchify(frames: Tensor, indices: Tensor | null, attributes: PatchifyAttributes): Tensor {
  return frames.graph.apply(patchifyOperation, indices === null ? [frames] : [frames, indices], attributes)[0]
}
