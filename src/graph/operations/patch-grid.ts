import { expectShape } from '../operation.ts'
import type { TensorSpec } from '../program.ts'

export type PatchAttributes = {
  /** Frames per patch. */
  readonly tubelet: number
  /** Pixels per patch side. */
  readonly patch: number
}

export interface PatchGrid {
  readonly batch: number
  readonly frames: number
  readonly height: number
  readonly width: number
  readonly channels: number
  /** Patches along time, height and width. */
  readonly grid: readonly [number, number, number]
  /** Patches that come out: all of the grid, or as many as there are indices. */
  readonly tokens: number
  /** Numbers per patch: tubelet * patch^2 * channels. */
  readonly values: number
}

/** Sizes of `[frames]` or `[frames, indices]`. Throws `SHAPE_MISMATCH`. */
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
