/** What signs of learning read of an encoder that is in training. */
import { Graph } from '../graph/graph.ts'
import { reshape } from '../graph/operations/movement.ts'
import { meanTokens } from '../graph/operations/reductions.ts'
import type { Program } from '../graph/program.ts'
import { tokenGrid } from './configuration.ts'
import { type ClipOptions, clipInput } from './encode-program.ts'
import { encode } from './encoder.ts'
import { readTokens } from './readout.ts'

/** Cells along each side of a time step, at most. */
const mostCells = 3

/**
 * Input `frames`; outputs `mean` [B, D], the mean over all tokens, and `steps` [B, T * cells^2 * D], the means in cells of each time
 * step: the order of time steps and the position stay visible.
 */
export function buildSignsProgram(options: ClipOptions): Program {
  const { configuration, batch, name = 'signs' } = options
  const grid = tokenGrid(configuration)
  const graph = new Graph(name)
  const tokens = encode(configuration, clipInput(graph, options), { finalNorm: configuration.encoderNorm })
  const { width } = configuration.encoder
  const cells = Math.min(mostCells, grid.h, grid.w)
  // [B * T, H * W, D]: each time step as a clip of its own.
  const apart = reshape(tokens, [batch * grid.t, grid.h * grid.w, width])
  const read = readTokens(apart, { ...grid, t: 1 }, `grid:${cells}`)
  return graph.build({ mean: meanTokens(tokens), steps: reshape(read, [batch, grid.t * cells * cells * width]) })
}
