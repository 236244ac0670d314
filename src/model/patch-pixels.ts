import { invalidArgument } from '../core/errors.ts'
import { type ModelConfiguration, tokenGrid, tokensPerClip } from './configuration.ts'

/** Pixels of one channel on [0, 1]. */
export interface ChannelStatistics {
  readonly mean: number
  /** Standard deviation (n - 1, plus 1e-6). */
  readonly deviation: number
}

/** Offsets of a patch's pixels (their first channel) in [T, H, W, C], in the order (p0, p1, p2). */
export function patchPlaces(configuration: ModelConfiguration, length: number, token: number): Int32Array {
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
export function patchStatistics(frames: Uint8Array, places: Int32Array, channel: number): ChannelStatistics {
  let sum = 0
  for (const place of places) sum += frames[place + channel] / 255
  const mean = sum / places.length
  let squares = 0
  for (const place of places) squares += (frames[place + channel] / 255 - mean) ** 2
  return { mean, deviation: Math.sqrt(squares / (places.length - 1)) + 1e-6 }
}
