import { invalidArgument } from '../core/errors.ts'
import { type TokenGrid, tokenCount } from '../mask/grid.ts'
import { type ModelConfiguration, tokenGrid } from './configuration.ts'
import type { ModelState } from './model-state.ts'

/**
 * Sine-cosine position table over the flattened token index (Vaswani et al. 2017, 3.5; VideoMAE uses one axis, not
 * three): channel j of position p is sin (even j) or cos (odd j) of `p / 10000^(2 floor(j / 2) / width)`.
 *
 * @returns [count, width], computed in float64
 */
export function sinCosPositions(count: number, width: number): Float32Array {
  const table = new Float32Array(count * width)
  for (let j = 0; j < width; j += 2) {
    const period = 10_000 ** (j / width)
    for (let p = 0; p < count; p++) {
      table[p * width + j] = Math.sin(p / period)
      if (j + 1 < width) table[p * width + j + 1] = Math.cos(p / period)
    }
  }
  return table
}

/**
 * Position table with time, row and column apart: channels [0, s) tell the token-frame, [s, 2s) the row, the rest the
 * column, s the largest even number up to width / 3. In a part of `size` channels, channel j of position p on an axis of
 * `length` positions is sin (even j) or cos (odd j) of `pi p / length^(2 floor(j / 2) / size)`: wavelengths from 2 positions,
 * which tell neighbors apart, to twice the axis, which tell its ends apart.
 *
 * @returns [tokenCount(grid), width], computed in float64
 */
export function factoredPositions({ t, h, w }: TokenGrid, width: number): Float32Array {
  const table = new Float32Array(t * h * w * width)
  const third = Math.floor(width / 6) * 2
  const parts = [
    { length: t, stride: h * w, start: 0, size: third },
    { length: h, stride: w, start: third, size: third },
    { length: w, stride: 1, start: 2 * third, size: width - 2 * third },
  ]
  for (const { length, stride, start, size } of parts) {
    for (let j = 0; j < size; j++) {
      const frequency = Math.PI / length ** ((2 * Math.floor(j / 2)) / size)
      for (let n = 0; n < t * h * w; n++) {
        const angle = (Math.floor(n / stride) % length) * frequency
        table[n * width + start + j] = j % 2 === 0 ? Math.sin(angle) : Math.cos(angle)
      }
    }
  }
  return table
}

/** One output position as a weighted sum of input positions. */
type Taps = readonly { readonly from: number; readonly weight: number }[]

/** Cubic convolution with a = -0.75 (Keys 1981), pixel centers at half integers, border repeated. */
function cubicTaps(position: number, from: number, to: number): Taps {
  const a = -0.75
  const source = ((position + 0.5) * from) / to - 0.5
  const base = Math.floor(source)
  const t = source - base
  const near = (x: number) => ((a + 2) * x - (a + 3)) * x * x + 1
  const far = (x: number) => ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
  const weights = [far(t + 1), near(t), near(1 - t), far(2 - t)]
  return weights.map((weight, k) => ({ from: Math.min(from - 1, Math.max(0, base - 1 + k)), weight }))
}

/** Linear interpolation, centers at half integers, border repeated. */
function linearTaps(position: number, from: number, to: number): Taps {
  const source = Math.min(from - 1, Math.max(0, ((position + 0.5) * from) / to - 0.5))
  const base = Math.floor(source)
  const t = source - base
  return [
    { from: base, weight: 1 - t },
    { from: Math.min(from - 1, base + 1), weight: t },
  ]
}

/** Resamples the middle axis of [outer, from, inner]. */
function resample(
  values: Float64Array,
  [outer, from, inner]: readonly [number, number, number],
  to: number,
  taps: (position: number, from: number, to: number) => Taps,
): Float64Array {
  if (from === to) return values
  const result = new Float64Array(outer * to * inner)
  for (let position = 0; position < to; position++) {
    for (const tap of taps(position, from, to)) {
      for (let o = 0; o < outer; o++) {
        const target = (o * to + position) * inner
        const source = (o * from + tap.from) * inner
        for (let i = 0; i < inner; i++) result[target + i] += tap.weight * values[source + i]
      }
    }
  }
  return result
}

/**
 * A position table of one grid for another: bicubic over rows and columns of each token-frame, then linear over time
 * (as VideoMAE V2 fine-tunes at another size). Equal grids give the table back.
 *
 * @param table [tokenCount(from), width]
 * @returns [tokenCount(to), width]
 * @throws VideoMaeError `INVALID_ARGUMENT` when the table does not belong to `from`
 */
export function interpolatePositions(table: Float32Array, width: number, from: TokenGrid, to: TokenGrid): Float32Array {
  if (table.length !== tokenCount(from) * width) {
    throw invalidArgument('table', `${tokenCount(from)} x ${width} values`, `${table.length} values`)
  }
  if (from.t === to.t && from.h === to.h && from.w === to.w) return table
  let values: Float64Array = new Float64Array(table)
  values = resample(values, [from.t * from.h, from.w, width], to.w, cubicTaps)
  values = resample(values, [from.t, from.h, to.w * width], to.h, cubicTaps)
  values = resample(values, [1, from.t, to.h * to.w * width], to.t, linearTaps)
  return new Float32Array(values)
}

/**
 * The weights of a model for another number or size of frames: a learned position table is interpolated, everything else stays.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` when the table does not belong to `from`
 */
export function withPositionsFor(state: ModelState, from: ModelConfiguration, to: ModelConfiguration): ModelState {
  const table = state.get('encoder.pos_embed')
  if (table === undefined) return state
  const resized = interpolatePositions(table, from.encoder.width, tokenGrid(from), tokenGrid(to))
  return new Map(state).set('encoder.pos_embed', resized)
}

/**
 * The fixed position table [tokens, width] of a model, for its encoder's or its decoder's width. A model whose encoder has learned
 * positions uses it in its decoder alone.
 */
export function positionTable(configuration: ModelConfiguration, width: number): Float32Array {
  const grid = tokenGrid(configuration)
  const from = configuration.positionGrid ?? grid
  const table =
    configuration.positions === 'factored' ? factoredPositions(from, width) : sinCosPositions(tokenCount(from), width)
  return interpolatePositions(table, width, from, grid)
}
