import type { RandomStream } from '../core/random.ts'
import type { TokenGrid } from './grid.ts'

/** Whole token-frames masked: trunc(ratio * t), e.g. 7 of 8 at 0.875 (and at 0.9). */
export function maskedFrames(grid: TokenGrid, ratio: number): number {
  return Math.trunc(ratio * grid.t)
}

/**
 * Frame mask (the "frame" row of VideoMAE's ablation): whole token-frames are masked, the others are seen entirely.
 *
 * @returns boolean mask of shape [t, h, w], row-major, 1 = masked
 */
export function frameMask(grid: TokenGrid, ratio: number, stream: RandomStream): Uint8Array {
  const perFrame = grid.h * grid.w
  const frames = new Uint8Array(grid.t)
  frames.fill(1, grid.t - maskedFrames(grid, ratio))
  stream.shuffle(frames)
  const mask = new Uint8Array(grid.t * perFrame)
  for (let t = 0; t < grid.t; t++) mask.fill(frames[t], t * perFrame, (t + 1) * perFrame)
  return mask
}
