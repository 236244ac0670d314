import { type ModelConfiguration, valuesPerPatch } from './configuration.ts'
import { addPatchSums } from './patch-pixels.ts'

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
  const squares = configuration.normalizeTargets
    ? normalizedSquares(configuration, frames, counted)
    : colorSquares(configuration, frames, counted)
  return squares / (counted.length * valuesPerPatch(configuration))
}

/** Sum of the squared normalized targets, from whole numbers: those of a patch and channel are (n - 1) v / (sqrt(v) + 1e-6)^2. */
function normalizedSquares(configuration: ModelConfiguration, frames: Uint8Array, masked: Int32Array): number {
  const pixels = pixelsPerPatch(configuration)
  const sums = new Float64Array(configuration.channels)
  const squares = new Float64Array(configuration.channels)
  let all = 0
  for (const token of masked) {
    sums.fill(0)
    squares.fill(0)
    addPatchSums(configuration, frames, token, sums, squares)
    for (let c = 0; c < sums.length; c++) {
      const deviations = (squares[c] - (sums[c] * sums[c]) / pixels) / 255 ** 2
      all += deviations / (Math.sqrt(deviations / (pixels - 1)) + 1e-6) ** 2
    }
  }
  return all
}

/** Sum of the squared differences from the mean color of these patches, from whole numbers. */
function colorSquares(configuration: ModelConfiguration, frames: Uint8Array, masked: Int32Array): number {
  const pixels = masked.length * pixelsPerPatch(configuration)
  const sums = new Float64Array(configuration.channels)
  const squares = new Float64Array(configuration.channels)
  for (const token of masked) addPatchSums(configuration, frames, token, sums, squares)
  return squares.reduce((all, square, c) => all + (square - (sums[c] * sums[c]) / pixels) / 255 ** 2, 0)
}

const pixelsPerPatch = ({ tubelet, patch }: ModelConfiguration): number => tubelet * patch * patch
