import type { ModelConfiguration } from '../model/configuration.ts'
import { hidePatches, paintPatches } from '../model/paint-patches.ts'

/** Clips of one shape, uint8 [T, H, W, 3]. */
export interface PaintedClips {
  readonly original: Uint8Array
  /** Masked patches gray. */
  readonly masked: Uint8Array
  /**
   * Visible patches as they are, masked ones as predicted, with nothing of what they hide: normalized predictions are brought back
   * to pixels with the average mean and the average standard deviation of the visible patches, per channel.
   */
  readonly prediction: Uint8Array
  /**
   * The same with the true mean and standard deviation of every masked patch, which the model does not know; null where targets are
   * not normalized.
   */
  readonly predictionWithTrueStatistics: Uint8Array | null
}

export interface Reconstruction extends PaintedClips {
  /** Mean squared error of `prediction` on [0, 1] pixels over the masked patches. */
  readonly pixelError: number
}

/**
 * What a masked autoencoder makes of a clip.
 *
 * @param frames uint8 [T, H, W, 3]
 * @param masked token indices the encoder did not see, [M]
 * @param output decoder output for them, [M, values per patch]
 * @throws VideoMaeError `INVALID_ARGUMENT` when lengths do not fit
 */
export function paintReconstruction(
  configuration: ModelConfiguration,
  frames: Uint8Array,
  masked: Int32Array,
  output: Float32Array,
): Reconstruction {
  const prediction = paintPatches(configuration, frames, masked, output, { statistics: 'visible' })
  let squares = 0
  for (let i = 0; i < frames.length; i++) squares += ((prediction[i] - frames[i]) / 255) ** 2
  return {
    original: frames,
    masked: hidePatches(configuration, frames, masked),
    prediction,
    predictionWithTrueStatistics: configuration.normalizeTargets
      ? paintPatches(configuration, frames, masked, output, { statistics: 'patch' })
      : null,
    pixelError: squares / Math.max(1, output.length),
  }
}
