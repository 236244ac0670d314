import { patchGrid } from '../../../graph/operations/patches.ts'
import type { KernelOf } from '../kernel.ts'

export const patchify: KernelOf<'patchify'> = (inputs, attributes) => {
  const [frames, indices] = inputs
  const { tubelet, patch, mean, std, layout } = attributes
  const {
    batch,
    frames: time,
    height,
    width,
    channels,
    grid,
    tokens,
    values,
  } = patchGrid('patchify', inputs, attributes, layout)
  const pixel = (b: number, t: number, y: number, x: number, c: number): number => {
    const at =
      layout === 'BTHWC'
        ? (((b * time + t) * height + y) * width + x) * channels + c
        : (((b * time + t) * channels + c) * height + y) * width + x
    const value = frames.data[at]
    return frames.dtype === 'uint8' ? (value / 255 - mean[c]) / std[c] : value
  }
  const out = new Float64Array(batch * tokens * values)
  let at = 0
  for (let b = 0; b < batch; b++) {
    for (let m = 0; m < tokens; m++) {
      const token = indices === undefined ? m : indices.data[b * tokens + m]
      const x0 = (token % grid[2]) * patch
      const y0 = (Math.floor(token / grid[2]) % grid[1]) * patch
      const t0 = Math.floor(token / (grid[1] * grid[2])) * tubelet
      for (let c = 0; c < channels; c++) {
        for (let t = 0; t < tubelet; t++) {
          for (let y = 0; y < patch; y++) {
            for (let x = 0; x < patch; x++) out[at++] = pixel(b, t0 + t, y0 + y, x0 + x, c)
          }
        }
      }
    }
  }
  return [out]
}

export const patchTargets: KernelOf<'patchTargets'> = (inputs, attributes) => {
  const [frames, indices] = inputs
  const { tubelet, patch, normalize } = attributes
  const {
    batch,
    frames: time,
    height,
    width,
    channels,
    grid,
    tokens,
    values,
  } = patchGrid('patchTargets', inputs, attributes)
  const out = new Float64Array(batch * tokens * values)
  let at = 0
  for (let b = 0; b < batch; b++) {
    for (let m = 0; m < tokens; m++) {
      const token = indices.data[b * tokens + m]
      const x0 = (token % grid[2]) * patch
      const y0 = (Math.floor(token / grid[2]) % grid[1]) * patch
      const t0 = Math.floor(token / (grid[1] * grid[2])) * tubelet
      const start = at
      for (let t = t0; t < t0 + tubelet; t++) {
        for (let y = y0; y < y0 + patch; y++) {
          for (let x = x0; x < x0 + patch; x++) {
            for (let c = 0; c < channels; c++) {
              out[at++] = frames.data[(((b * time + t) * height + y) * width + x) * channels + c] / 255
            }
          }
        }
      }
      if (normalize) {
        for (let c = 0; c < channels; c++) normalizeChannel(out.subarray(start + c, at), channels)
      }
    }
  }
  return [out]
}

/** Normalizes every `stride`-th number in place: one channel of one patch. */
function normalizeChannel(patch: Float64Array, stride: number): void {
  const count = Math.ceil(patch.length / stride)
  // Deviations from the first pixel: those of a flat patch are zero exactly, not rounding noise over a tiny epsilon.
  const origin = patch[0]
  let shift = 0
  for (let i = 0; i < patch.length; i += stride) shift += (patch[i] - origin) / count
  const mean = origin + shift
  let variance = 0
  for (let i = 0; i < patch.length; i += stride) variance += (patch[i] - mean) ** 2 / (count - 1)
  const deviation = Math.sqrt(variance)
  for (let i = 0; i < patch.length; i += stride) patch[i] = (patch[i] - mean) / (deviation + 1e-6)
}
