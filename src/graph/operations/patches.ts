/** From frames to patches: what the encoder reads, and what the decoder predicts. */
import type { Operation, Tensor } from '../graph.ts'
import type { TensorSpec } from '../program.ts'
import { expectShape, spec } from '../shape-rules.ts'

/** Size of a patch. */
export type PatchAttributes = {
  /** Frames per patch. */
  readonly tubelet: number
  /** Pixels per patch side. */
  readonly patch: number
}

/** How many patches a clip has along each axis. */
export interface PatchGrid {
  /** Clips. */
  readonly batch: number
  /** Patches in time. */
  readonly frames: number
  /** Patches from top to bottom. */
  readonly height: number
  /** Patches from left to right. */
  readonly width: number
  /** Channels of a pixel. */
  readonly channels: number
  /** Patches along time, height and width. */
  readonly grid: readonly [number, number, number]
  /** Patches that come out: all of the grid, or as many as there are indices. */
  readonly tokens: number
  /** Numbers per patch: tubelet * patch^2 * channels. */
  readonly values: number
}

/**
 * Sizes of `[frames]` or `[frames, indices]`.
 *
 * @throws VideoMaeError `SHAPE_MISMATCH`
 */
export function patchGrid(
  name: string,
  inputs: readonly TensorSpec[],
  { tubelet, patch }: PatchAttributes,
  layout: 'BTHWC' | 'BTCHW' = 'BTHWC',
): PatchGrid {
  const [video, indices] = inputs
  const [batch, frames] = video.shape
  const [height, width, channels] =
    layout === 'BTHWC' ? video.shape.slice(2) : [video.shape[3], video.shape[4], video.shape[2]]
  const ok =
    video.shape.length === 5 &&
    tubelet >= 1 &&
    patch >= 1 &&
    frames % tubelet === 0 &&
    height % patch === 0 &&
    width % patch === 0 &&
    (indices === undefined || (indices.dtype === 'int32' && indices.shape.length === 2 && indices.shape[0] === batch))
  expectShape(
    ok,
    name,
    `frames ${layout} with T divisible by ${tubelet}, H and W by ${patch}, and optionally int32 indices [B, M]`,
    inputs,
  )
  const grid = [frames / tubelet, height / patch, width / patch] as const
  const tokens = indices?.shape[1] ?? grid[0] * grid[1] * grid[2]
  return { batch, frames, height, width, channels, grid, tokens, values: tubelet * patch * patch * channels }
}

/** `mean` and `std` are per channel on [0, 1] pixels; `layout` says how the frames are in memory. */
export type PatchifyAttributes = PatchAttributes & {
  /** [channels] subtracted from pixels on [0, 1]. */
  readonly mean: readonly number[]
  /** [channels] what the difference is divided by. */
  readonly std: readonly number[]
  /** Order of the axes of the frames: batch, time, height, width, channels. */
  readonly layout: 'BTHWC' | 'BTCHW'
}

/**
 * Cuts frames into tubelet patches, values in the order (c, p0, p1, p2) of the flattened Conv3d kernel
 * [D, C, tubelet, patch, patch]; so `linear` with the reshaped kernel is the cube embedding (VideoMAE 3.2).
 *
 * Inputs: frames [B, T, H, W, C] or [B, T, C, H, W]; uint8 frames are normalized to `(x / 255 - mean) / std`, float32
 * frames count as normalized already. Optional int32 indices [B, M]: only those patches, in that order.
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

/**
 * Patches of frames as rows of numbers, [B, N, values]: all of them, or those of `indices` [B, M].
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function patchify(frames: Tensor, indices: Tensor | null, attributes: PatchifyAttributes): Tensor {
  return frames.graph.apply(patchifyOperation, indices === null ? [frames] : [frames, indices], attributes)[0]
}

/** Attributes of `patchTargets`. */
export type PatchTargetsAttributes = PatchAttributes & {
  /** Normalize each patch per channel; otherwise the target is the pixel on [0, 1]. */
  readonly normalize: boolean
}

/**
 * Pixel targets of patches, values in the order (p0, p1, p2, c). With `normalize`, per patch and channel over the
 * S = tubelet * patch^2 pixels: `(x - mean) / (sqrt(variance) + 1e-6)`, the variance divided by S - 1
 * (VideoMAE 3.3, "normalized pixels"; epsilon outside the root as in the original code). A flat patch, a black bar say,
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
    expectShape(several || !attributes.normalize, 'patchTargets', 'patches of several pixels to normalize', inputs)
    return [spec([batch, tokens, values])]
  },
  gradient: null,
}

/**
 * What a decoder is to predict: the pixels of the patches at `indices`.
 *
 * @throws VideoMaeError `SHAPE_MISMATCH` for shapes or types that do not fit
 */
export function patchTargets(frames: Tensor, indices: Tensor, attributes: PatchTargetsAttributes): Tensor {
  return frames.graph.apply(patchTargetsOperation, [frames, indices], attributes)[0]
}
