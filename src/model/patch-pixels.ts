import { invalidArgument } from '../core/errors.ts'
import { type ModelConfiguration, tokenGrid, tokensPerClip } from './configuration.ts'

/** Pixels of one channel on [0, 1]. */
export interface ChannelStatistics {
  readonly mean: number
  /** Standard deviation (n - 1, plus 1e-6). */
  readonly std: number
}

/** First frame, row and column of a patch. Throws `INVALID_ARGUMENT` when sizes do not fit. */
function patchOrigin(
  configuration: ModelConfiguration,
  length: number,
  token: number,
): readonly [number, number, number] {
  const { imageSize, channels, frames, tubelet, patch } = configuration
  const [height, width] = imageSize
  if (length !== frames * height * width * channels) {
    throw invalidArgument('frames', `${frames} x ${height} x ${width} x ${channels} values`, `${length} values`)
  }
  if (!(Number.isInteger(token) && token >= 0 && token < tokensPerClip(configuration))) {
    throw invalidArgument('masked', `token indices below ${tokensPerClip(configuration)}`, token)
  }
  const grid = tokenGrid(configuration)
  const row = Math.floor(token / grid.w)
  return [Math.floor(row / grid.h) * tubelet, (row % grid.h) * patch, (token % grid.w) * patch]
}

/** Offsets of a patch's pixels (their first channel) in [T, H, W, C], in the order (p0, p1, p2). */
export function patchOffsets(configuration: ModelConfiguration, length: number, token: number): Int32Array {
  const { imageSize, channels, tubelet, patch } = configuration
  const [height, width] = imageSize
  const [t0, y0, x0] = patchOrigin(configuration, length, token)
  const offsets = new Int32Array(tubelet * patch * patch)
  let next = 0
  for (let t = t0; t < t0 + tubelet; t++) {
    for (let y = y0; y < y0 + patch; y++) {
      for (let x = x0; x < x0 + patch; x++) offsets[next++] = ((t * height + y) * width + x) * channels
    }
  }
  return offsets
}

/**
 * Adds the bytes of a patch, and their squares, to sums by channel, [C] each. Whole numbers, so the sums are exact.
 *
 * @param frames uint8 [T, H, W, C]
 */
export function addPatchSums(
  configuration: ModelConfiguration,
  frames: Uint8Array,
  token: number,
  sums: Float64Array,
  squares: Float64Array,
): void {
  const { imageSize, channels, tubelet, patch } = configuration
  const [height, width] = imageSize
  const [t0, y0, x0] = patchOrigin(configuration, frames.length, token)
  for (let t = t0; t < t0 + tubelet; t++) {
    for (let y = y0; y < y0 + patch; y++) {
      const from = ((t * height + y) * width + x0) * channels
      const end = from + patch * channels
      for (let c = 0; c < channels; c++) {
        let sum = 0
        let square = 0
        for (let at = from + c; at < end; at += channels) {
          const value = frames[at]
          sum += value
          square += value * value
        }
        sums[c] += sum
        squares[c] += square
      }
    }
  }
}

/** Mean and std (n - 1, plus 1e-6) of one channel of a patch, on [0, 1]: the inverse of `patchTargets`. */
export function patchStatistics(frames: Uint8Array, offsets: Int32Array, channel: number): ChannelStatistics {
  let sum = 0
  for (const offset of offsets) sum += frames[offset + channel] / 255
  const mean = sum / offsets.length
  let squares = 0
  for (const offset of offsets) squares += (frames[offset + channel] / 255 - mean) ** 2
  return { mean, std: Math.sqrt(squares / (offsets.length - 1)) + 1e-6 }
}
