import { invalidArgument } from '../core/errors.ts'
import { type ModelConfiguration, tokenGrid, tokensPerClip, valuesPerPatch } from './configuration.ts'
import type { PretrainObjective } from './pretrain.ts'

export interface PaintOptions {
  /** What the prediction is in units of. Default: what `configuration.normaliseTargets` says. */
  readonly objective?: PretrainObjective
}

/**
 * Puts predicted patches into a clip. Normalised predictions are un-normalised with the mean and deviation that the
 * patch has in `frames`; the other patches stay as they are.
 *
 * @param frames uint8 [T, H, W, C], the original clip
 * @param masked token indices of the predicted patches, [M]
 * @param prediction [M, values per patch], order (p0, p1, p2, c)
 * @returns uint8 [T, H, W, C]
 * @throws VideoMaeError `INVALID_ARGUMENT` when sizes do not fit
 */
export function paintPatches(
  configuration: ModelConfiguration,
  frames: Uint8Array,
  masked: Int32Array,
  prediction: Float32Array,
  { objective }: PaintOptions = {},
): Uint8Array {
  const { channels, tubelet, patch } = configuration
  const values = valuesPerPatch(configuration)
  if (prediction.length !== masked.length * values) {
    throw invalidArgument('prediction', `${masked.length} x ${values} values`, `${prediction.length} values`)
  }
  const normalised = objective === undefined ? configuration.normaliseTargets : objective === 'normalised-pixels'
  const painted = Uint8Array.from(frames)
  const pixels = tubelet * patch * patch
  for (const [m, token] of masked.entries()) {
    const places = patchPlaces(configuration, frames.length, token)
    for (let c = 0; c < channels; c++) {
      const { mean, deviation } = normalised ? patchStatistics(frames, places, c) : { mean: 0, deviation: 1 }
      for (let s = 0; s < pixels; s++) {
        const value = prediction[m * values + s * channels + c] * deviation + mean
        painted[places[s] + c] = Math.round(Math.min(1, Math.max(0, value)) * 255)
      }
    }
  }
  return painted
}

/** The clip with the patches of `masked` filled with one grey. */
export function hidePatches(
  configuration: ModelConfiguration,
  frames: Uint8Array,
  masked: Int32Array,
  grey = 128,
): Uint8Array {
  const hidden = Uint8Array.from(frames)
  for (const token of masked) {
    for (const place of patchPlaces(configuration, frames.length, token)) {
      hidden.fill(grey, place, place + configuration.channels)
    }
  }
  return hidden
}

/** Offsets of a patch's pixels (their first channel) in [T, H, W, C], in the order (p0, p1, p2). */
function patchPlaces(configuration: ModelConfiguration, length: number, token: number): Int32Array {
  const { imageSize, channels, frames, tubelet, patch } = configuration
  const [height, width] = imageSize
  if (length !== frames * height * width * channels) {
    throw invalidArgument('frames', `${frames} x ${height} x ${width} x ${channels} values`, `${length} values`)
  }
  if (!(Number.isInteger(token) && token >= 0 && token < tokensPerClip(configuration))) {
    throw invalidArgument('masked', `token indices below ${tokensPerClip(configuration)}`, token)
  }
  const grid = tokenGrid(configuration)
  const t0 = Math.floor(token / (grid.h * grid.w)) * tubelet
  const y0 = (Math.floor(token / grid.w) % grid.h) * patch
  const x0 = (token % grid.w) * patch
  const places = new Int32Array(tubelet * patch * patch)
  let next = 0
  for (let t = t0; t < t0 + tubelet; t++) {
    for (let y = y0; y < y0 + patch; y++) {
      for (let x = x0; x < x0 + patch; x++) places[next++] = ((t * height + y) * width + x) * channels
    }
  }
  return places
}

/** Mean and deviation (n - 1, plus 1e-6) of one channel of a patch, on [0, 1]: the inverse of `patchTargets`. */
function patchStatistics(frames: Uint8Array, places: Int32Array, channel: number) {
  let sum = 0
  for (const place of places) sum += frames[place + channel] / 255
  const mean = sum / places.length
  let squares = 0
  for (const place of places) squares += (frames[place + channel] / 255 - mean) ** 2
  return { mean, deviation: Math.sqrt(squares / (places.length - 1)) + 1e-6 }
}
