import type { RandomStream } from '../core/random.ts'
import { type TokenGrid, tokenCount } from './grid.ts'

/** Tokens masked in the whole clip: trunc(ratio * t * h * w). */
export function randomMaskedCount(grid: TokenGrid, ratio: number): number {
  return Math.trunc(ratio * tokenCount(grid))
}

/**
 * Random spacetime mask (MAE-ST, section 3; the "random" row of VideoMAE's ablation): tokens are masked independently of
 * frame and position, in a fixed number per clip.
 *
 * @returns boolean mask of shape [t, h, w], row-major, 1 = masked
 */
export function randomMask(grid: TokenGrid, ratio: number, stream: RandomStream): Uint8Array {
  const count = tokenCount(grid)
  const mask = new Uint8Array(count)
  mask.fill(1, count - randomMaskedCount(grid, ratio))
  return stream.shuffle(mask)
}
