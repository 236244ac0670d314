import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'
import { type PatchAttributes, patchGrid } from './patch-grid.ts'

export type PatchTargetsAttributes = PatchAttributes & {
  /** Normalise each patch per channel; otherwise the target is the pixel on [0, 1]. */
  readonly normalise: boolean
}

/**
 * Pixel targets of patches, values in the order (p0, p1, p2, c). With `normalise`, per patch and channel over the
 * S = tubelet * patch^2 pixels: `(x - mean) / (sqrt(variance) + 1e-6)`, the variance divided by S - 1
 * (VideoMAE 3.3, "normalised pixels"; epsilon outside the root as in the original code). A flat patch, a black bar say,
 * is zero: engines must take deviations such that equal pixels give exactly 0, or the small epsilon turns rounding
 * errors into noise; sums of bytes are exact in float32.
 *
 * Inputs: uint8 frames [B, T, H, W, C], int32 indices [B, M] -> [B, M, S * C]. No gradient.
 */
export const patchTargetsOperation: Operation<PatchTargetsAttributes> = {
  name: 'patchTargets',
  integerInputs: [0, 1],
  infer(inputs, attributes) {
    const { batch, tokens, values } = patchGrid('patchTargets', inputs, attributes)
    expectShape(inputs.length === 2 && inputs[0].dtype === 'uint8', 'patchTargets', 'uint8 frames and indices', inputs)
    const several = attributes.tubelet * attributes.patch ** 2 > 1
    expectShape(several || !attributes.normalise, 'patchTargets', 'patches of several pixels to normalise', inputs)
    return [spec([batch, tokens, values])]
  },
  gradient: null,
}

export function patchTargets(frames: Tensor, indices: Tensor, attributes: PatchTargetsAttributes): Tensor {
  return frames.graph.apply(patchTargetsOperation, [frames, indices], attributes)[0]
}
