import { invalidArgument } from '../core/errors.ts'
import type { RandomStream } from '../core/random.ts'
import { checkGrid, type TokenGrid, tokenCount } from './grid.ts'

/** Tokens of the 2x2 cell that are not decoded in each token-frame, k = trunc(4 * ratio), 1 to 3. */
export function runningCellSkipped(ratio: number): number {
  if (!(ratio >= 0.25 && ratio < 1)) {
    throw invalidArgument(
      'decoder mask ratio',
      'a number from 0.25 to below 1',
      ratio,
      'A running cell has four tokens, so its ratio can be 0.25, 0.5 or 0.75. To decode all tokens, leave the mask out.',
    )
  }
  return Math.trunc(4 * ratio)
}

/** @throws VideoMaeError `INVALID_ARGUMENT` when h or w is odd: the 2x2 cell has to tile a token-frame */
export function checkRunningCellGrid(grid: TokenGrid): void {
  checkGrid(grid)
  for (const axis of ['h', 'w'] as const) {
    if (grid[axis] % 2 !== 0) {
      throw invalidArgument(
        `grid.${axis}`,
        'an even number of tokens (the running cell is 2x2)',
        grid[axis],
        'Choose a resolution that is an even multiple of the patch size, or train without a decoder mask.',
      )
    }
  }
}

/** Tokens that the decoder predicts, a function of grid and ratio alone: 784 of 8x14x14 at 0.5. */
export function runningCellDecodedCount(grid: TokenGrid, ratio: number): number {
  checkRunningCellGrid(grid)
  return (tokenCount(grid) / 4) * (4 - runningCellSkipped(ratio))
}

/**
 * Running-cell mask (VideoMAE V2, section 3.2): a 2x2 cell with k tokens switched off runs along the queue
 * [1]*k + [0]*(4-k) frame by frame and is tiled over the frame: cell[i] = queue[(i + phase + f + 1) mod 4].
 *
 * @param phase start of the queue, 0 to 3
 * @returns boolean mask of shape [t, h, w], row-major, 1 = NOT decoded
 */
export function runningCellMask(grid: TokenGrid, ratio: number, phase: number): Uint8Array {
  checkRunningCellGrid(grid)
  const skipped = runningCellSkipped(ratio)
  const mask = new Uint8Array(tokenCount(grid))
  let n = 0
  for (let f = 0; f < grid.t; f++) {
    for (let y = 0; y < grid.h; y++) {
      for (let x = 0; x < grid.w; x++) {
        const corner = (y % 2) * 2 + (x % 2)
        mask[n++] = (corner + phase + f + 1) % 4 < skipped ? 1 : 0
      }
    }
  }
  return mask
}

/** A running-cell mask whose phase is drawn uniformly, as for each training sample. Shape and meaning as above. */
export function randomRunningCellMask(grid: TokenGrid, ratio: number, stream: RandomStream): Uint8Array {
  return runningCellMask(grid, ratio, stream.integer(4))
}
