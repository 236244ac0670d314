import { type ModelConfiguration, valuesPerPatch } from './configuration.ts'
import { patchPlaces, patchStatistics } from './patch-pixels.ts'

/**
 * The pretraining loss on one clip of predicting the mean: what a model reaches that knows colors and nothing else.
 *
 * With normalized targets, the mean of the squared targets: predicting 0 is predicting the mean of every patch and channel. With
 * raw targets, the mean squared difference from the mean color of all hidden patches of the clip, on [0, 1] pixels.
 *
 * @param frames uint8 [T, H, W, C]
 * @param masked token indices of the predicted patches, [M]
 * @param weight of each of them, [M]: 1 where it counts, else 0 (dual masking). Default: all count
 * @returns NaN where no patch counts
 * @throws VideoMaeError `INVALID_ARGUMENT` when sizes do not fit
 */
export function meanPredictionLoss(
  configuration: ModelConfiguration,
  frames: Uint8Array,
  masked: Int32Array,
  weight?: Float32Array,
): number {
  const counted = weight === undefined ? masked : masked.filter((_, m) => weight[m] !== 0)
  const squares = configuration.normaliseTargets
    ? normalizedSquares(configuration, frames, counted)
    : colorSquares(configuration, frames, counted)
  return squares / (counted.length * valuesPerPatch(configuration))
}

/** Sum of the squared normalized targets. */
function normalizedSquares(configuration: ModelConfiguration, frames: Uint8Array, masked: Int32Array): number {
  let squares = 0
  for (const token of masked) {
    const places = patchPlaces(configuration, frames.length, token)
    for (let c = 0; c < configuration.channels; c++) {
      const { mean, deviation } = patchStatistics(frames, places, c)
      for (const place of places) squares += ((frames[place + c] / 255 - mean) / deviation) ** 2
    }
  }
  return squares
}

/** Sum of the squared differences from the mean color of these patches, from whole numbers. */
function colorSquares(configuration: ModelConfiguration, frames: Uint8Array, masked: Int32Array): number {
  const sums = new Float64Array(configuration.channels)
  const squares = new Float64Array(configuration.channels)
  let pixels = 0
  for (const token of masked) {
    const places = patchPlaces(configuration, frames.length, token)
    pixels += places.length
    for (const place of places) {
      for (let c = 0; c < configuration.channels; c++) {
        const value = frames[place + c]
        sums[c] += value
        squares[c] += value * value
      }
    }
  }
  return squares.reduce((all, square, c) => all + (square - (sums[c] * sums[c]) / pixels) / 255 ** 2, 0)
}
