import { invalidArgument } from '../core/errors.ts'

/**
 * Size of a clip in tokens: `t` token-frames (frames / tubelet size), `h` rows and `w` columns (pixels / patch size).
 * Token index n = (i_t * h + i_h) * w + i_w, so time is slowest ("raster order").
 */
export interface TokenGrid {
  readonly t: number
  readonly h: number
  readonly w: number
}

/** Number of tokens of a clip, t * h * w. */
export function tokenCount(grid: TokenGrid): number {
  return grid.t * grid.h * grid.w
}

/** @throws VideoMaeError `INVALID_ARGUMENT` unless t, h and w are positive integers */
export function checkGrid(grid: TokenGrid): void {
  for (const axis of ['t', 'h', 'w'] as const) {
    const size = grid[axis]
    if (!Number.isInteger(size) || size < 1) throw invalidArgument(`grid.${axis}`, 'a positive integer', size)
  }
}
