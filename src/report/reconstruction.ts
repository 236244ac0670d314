import { VideoMaeError } from '../core/errors.ts'

export interface ReconstructionInput {
  /** uint8 [T, H, W, 3]. */
  readonly frames: Uint8Array
  readonly size: { readonly frames: number; readonly height: number; readonly width: number }
  readonly tubelet: number
  /** Pixels per patch side. */
  readonly patch: number
  /** Token indices that the encoder did not see; token index (t * h + y) * w + x. */
  readonly masked: Int32Array
  /** Decoder output [M, tubelet * patch^2 * 3] for those tokens, values in the order (p0, p1, p2, c). */
  readonly prediction: Float32Array
  /** Whether predictions are in units of each patch's own mean and deviation. */
  readonly normalised: boolean
}

/** Three clips of the input's shape, uint8 [T, H, W, 3]. */
export interface Reconstruction {
  readonly original: Uint8Array
  /** Masked patches grey. */
  readonly masked: Uint8Array
  /** Visible patches as they are, masked ones as predicted. */
  readonly reconstruction: Uint8Array
  /** Mean squared error on [0, 1] pixels over the masked patches. */
  readonly pixelError: number
}

const grey = 118
const channels = 3

/**
 * Paints what a masked autoencoder predicts. Normalised predictions are brought back to pixels with the mean and
 * deviation (unbiased, VideoMAE 3.3) of the true patch, the only scale in which they have a meaning.
 *
 * @throws VideoMaeError `SHAPE_MISMATCH`
 */
export function paintReconstruction(input: ReconstructionInput): Reconstruction {
  const { frames, size, tubelet, patch, masked: indices, prediction, normalised } = input
  const rows = size.height / patch
  const columns = size.width / patch
  const pixels = tubelet * patch * patch
  const values = pixels * channels
  if (
    frames.length !== size.frames * size.height * size.width * channels ||
    prediction.length !== indices.length * values
  ) {
    throw new VideoMaeError(
      `Expected frames [${size.frames},${size.height},${size.width},3] and predictions [${indices.length},${values}], ` +
        `received ${frames.length} and ${prediction.length} values.`,
      { code: 'SHAPE_MISMATCH' },
    )
  }
  const masked = frames.slice()
  const reconstruction = frames.slice()
  const offsets = new Int32Array(pixels)
  let error = 0
  for (let m = 0; m < indices.length; m++) {
    const token = indices[m]
    const x = (token % columns) * patch
    const y = (Math.floor(token / columns) % rows) * patch
    const t = Math.floor(token / (rows * columns)) * tubelet
    for (let p0 = 0, k = 0; p0 < tubelet; p0++) {
      for (let p1 = 0; p1 < patch; p1++) {
        for (let p2 = 0; p2 < patch; p2++, k++) {
          offsets[k] = (((t + p0) * size.height + y + p1) * size.width + x + p2) * channels
        }
      }
    }
    for (let c = 0; c < channels; c++) {
      const { mean, deviation } = normalised ? patchStatistics(frames, offsets, c) : { mean: 0, deviation: 255 }
      for (let k = 0; k < pixels; k++) {
        const at = offsets[k] + c
        const value = prediction[m * values + k * channels + c] * deviation + mean
        const pixel = Math.min(255, Math.max(0, Math.round(value)))
        error += ((pixel - frames[at]) / 255) ** 2
        reconstruction[at] = pixel
        masked[at] = grey
      }
    }
  }
  return { original: frames, masked, reconstruction, pixelError: error / Math.max(1, indices.length * values) }
}

function patchStatistics(frames: Uint8Array, offsets: Int32Array, c: number): { mean: number; deviation: number } {
  let sum = 0
  for (const offset of offsets) sum += frames[offset + c]
  const mean = sum / offsets.length
  let squares = 0
  for (const offset of offsets) squares += (frames[offset + c] - mean) ** 2
  // The 1e-6 of the target is on [0, 1] pixels.
  return { mean, deviation: Math.sqrt(squares / (offsets.length - 1)) + 255e-6 }
}
