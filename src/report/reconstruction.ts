import { hidePatches, type ModelConfiguration, paintPatches } from '../model/index.ts'

/** Three clips of one shape, uint8 [T, H, W, 3]. */
export interface Reconstruction {
  readonly original: Uint8Array
  /** Masked patches grey. */
  readonly masked: Uint8Array
  /** Visible patches as they are, masked ones as predicted. */
  readonly reconstruction: Uint8Array
  /** Mean squared error on [0, 1] pixels over the masked patches. */
  readonly pixelError: number
}

/**
 * What a masked autoencoder makes of a clip.
 *
 * @param frames uint8 [T, H, W, 3]
 * @param masked token indices the encoder did not see, [M]
 * @param prediction decoder output for them, [M, values per patch]
 * @throws VideoMaeError `INVALID_ARGUMENT` when lengths do not fit
 */
export function paintReconstruction(
  configuration: ModelConfiguration,
  frames: Uint8Array,
  masked: Int32Array,
  prediction: Float32Array,
): Reconstruction {
  const reconstruction = paintPatches(configuration, frames, masked, prediction)
  let squares = 0
  for (let i = 0; i < frames.length; i++) squares += ((reconstruction[i] - frames[i]) / 255) ** 2
  return {
    original: frames,
    masked: hidePatches(configuration, frames, masked),
    reconstruction,
    pixelError: squares / Math.max(1, prediction.length),
  }
}
