/** What a head reads of the tokens of a clip, as operations of a graph. */
import { z } from 'zod'
import { VideoMaeError } from '../core/errors.ts'
import type { Tensor } from '../graph/graph.ts'
import { absolute, add, multiply, scale, squareRoot } from '../graph/operations/elementwise.ts'
import { concat, reshape, slice } from '../graph/operations/movement.ts'
import { meanTokens } from '../graph/operations/reductions.ts'
import type { TokenGrid } from '../mask/grid.ts'
import { nameOf, parseReadouts, type Readout, readoutName } from './readout-name.ts'

/** A readout in a file: any way to write it, as its full name. */
export const readoutSchema = z.string().transform((text, context) => {
  try {
    return readoutName(text)
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message, input: text })
    return z.NEVER
  }
})

/**
 * Values that a readout has of one clip.
 *
 * @throws VideoMaeError `READOUT_UNKNOWN`; `READOUT_UNFIT` for more cells than tokens along a side, and for a change over time
 *   of clips with one time step
 */
export function readoutWidth(readout: string, grid: TokenGrid, width: number): number {
  return fittingReadouts(readout, grid).reduce((sum, { cells }) => sum + cells * cells * width, 0)
}

/**
 * Readouts to choose among for tokens in such a grid, the narrowest first: those with cells have up to 3 x 3.
 */
export function readoutChoices({ t, h, w }: TokenGrid): readonly string[] {
  const cells = Math.min(3, h, w)
  const inCells = [...(cells > 1 ? ['grid'] : []), ...(t > 1 ? ['motion', 'motion-rms'] : [])]
  return ['mean', ...inCells.map((kind) => `${kind}:${cells}`)]
}

const fittingReadouts = (text: string, grid: TokenGrid): readonly Readout[] =>
  parseReadouts(text).map((readout) => fitting(readout, grid))

function fitting(readout: Readout, { t, h, w }: TokenGrid): Readout {
  const { kind, cells } = readout
  const unfit = (expected: string, hint: string) =>
    new VideoMaeError(
      `Expected clips of at least ${expected} for the readout ${nameOf(readout)}, but they have ${t} time step${t === 1 ? '' : 's'} of ${h} x ${w} tokens.`,
      { code: 'READOUT_UNFIT', exit: 'usage', hint },
    )
  if (cells > h || cells > w) throw unfit(`${cells} x ${cells} tokens`, `Use ${kind}:${Math.min(h, w)} or fewer cells.`)
  if (kind !== 'mean' && kind !== 'grid' && t < 2)
    throw unfit('2 time steps', 'Use the readout mean or grid, or an encoder with more frames.')
  return readout
}

/**
 * Tokens [B, N, D] in raster order of `grid` -> values [B, readoutWidth].
 *
 * @throws VideoMaeError as `readoutWidth`
 */
export function readTokens(tokens: Tensor, grid: TokenGrid, readout: string): Tensor {
  const parts = fittingReadouts(readout, grid).map((part) => readPart(tokens, grid, part))
  return parts.length === 1 ? parts[0] : concat(parts, 1)
}

function readPart(tokens: Tensor, grid: TokenGrid, { kind, cells }: Readout): Tensor {
  if (kind === 'mean') return meanTokens(tokens)
  const { t, h, w } = grid
  const [batch, , width] = tokens.shape
  // [B, T, H * W * D]: a time step is a row.
  const steps = reshape(tokens, [batch, t, h * w * width])
  const inCells = (x: Tensor): Tensor => cellMeans(x, [batch, h, w, width], cells)
  switch (kind) {
    case 'grid':
      return inCells(averageOver(steps))
    case 'motion':
      return inCells(averageOver(absolute(differences(steps))))
    case 'motion-rms': {
      const change = differences(steps)
      return squareRoot(inCells(averageOver(multiply(change, change))))
    }
  }
}

/** x[:, t + 1] - x[:, t]: [B, T, C] -> [B, T - 1, C]. */
function differences(x: Tensor): Tensor {
  const steps = x.shape[1] - 1
  return add(slice(x, 1, 1, steps), scale(slice(x, 1, 0, steps), -1))
}

/** Mean over axis 1: [A, n, C] -> [A, C]. */
function averageOver(x: Tensor): Tensor {
  return x.shape[1] === 1 ? reshape(x, [x.shape[0], x.shape[2]]) : meanTokens(x)
}

/**
 * Means in cells x cells rectangles: [B, H * W * D] -> [B, cells * cells * D].
 *
 * Along a side of n tokens, cell i has the tokens from floor(i n / cells) to ceil((i + 1) n / cells), as in PyTorch's
 * AdaptiveAvgPool2d: where the cells do not divide the side, neighbors share a token.
 */
function cellMeans(x: Tensor, [batch, h, w, width]: readonly number[], cells: number): Tensor {
  const rows = averageAlong(reshape(x, [batch, h, w * width]), cells)
  const columns = averageAlong(reshape(rows, [batch * cells, w, width]), cells)
  return reshape(columns, [batch, cells * cells * width])
}

/** [A, n, C] -> [A, cells, C]. */
function averageAlong(x: Tensor, cells: number): Tensor {
  const [outer, size, inner] = x.shape
  if (size % cells === 0) {
    return reshape(averageOver(reshape(x, [outer * cells, size / cells, inner])), [outer, cells, inner])
  }
  const parts = Array.from({ length: cells }, (_, i) => {
    const start = Math.floor((i * size) / cells)
    const end = Math.ceil(((i + 1) * size) / cells)
    return averageOver(slice(x, 1, start, end - start))
  })
  return reshape(concat(parts, 1), [outer, cells, inner])
}
