import type { RandomStream } from '../core/random.ts'
import type { TokenGrid } from './grid.ts'

/** Tokens masked in every token-frame: trunc(ratio * h * w), e.g. 176 of 196 at 0.9. */
export function tubeMaskedPerFrame(grid: TokenGrid, ratio: number): number {
  return Math.trunc(ratio * grid.h * grid.w)
}

/**
 * Tube mask (VideoMAE, section 3.3): one random spatial mask, repeated for all token-frames, so that a masked position
 * stays masked through time and cannot be copied from a neighboring frame.
 *
 * @returns boolean mask of shape [t, h, w], row-major, 1 = masked
 */
export function tubeMask(grid: TokenGrid, ratio: number, stream: RandomStream): Uint8Array {
  const perFrame = grid.h * grid.w
  const frame = new Uint8Array(perFrame)
  frame.fill(1, perFrame - tubeMaskedPerFrame(grid, ratio))
  stream.shuffle(frame)
  const mask = new Uint8Array(grid.t * perFrame)
  for (let t = 0; t < grid.t; t++) mask.set(frame, t * perFrame)
  return mask
}
