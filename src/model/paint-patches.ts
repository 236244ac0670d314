import { invalidArgument } from '../core/errors.ts'
import { type ModelConfiguration, tokensPerClip, valuesPerPatch } from './configuration.ts'
import { type ChannelStatistics, patchOffsets, patchStatistics } from './patch-pixels.ts'
import type { PretrainObjective } from './pretrain.ts'

/** How predicted patches become pixels. */
export interface PaintOptions {
  /** What the prediction is in units of. Default: what `configuration.normalizeTargets` says. */
  readonly objective?: PretrainObjective
  /**
   * What normalized predictions are brought back to pixels with: `patch`, the true mean and standard deviation of each predicted
   * patch, which a model does not know; or `visible`, for all of them the average mean and the average standard deviation of the
   * patches that are not in `masked` (`configuration.mean` and `std` where all are). Default `patch`.
   */
  readonly statistics?: 'patch' | 'visible'
}

/**
 * Puts predicted patches into a clip; the other patches stay as they are.
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
  { objective, statistics = 'patch' }: PaintOptions = {},
): Uint8Array {
  const { channels, tubelet, patch } = configuration
  const values = valuesPerPatch(configuration)
  if (prediction.length !== masked.length * values) {
    throw invalidArgument('prediction', `${masked.length} x ${values} values`, `${prediction.length} values`)
  }
  const normalized = objective === undefined ? configuration.normalizeTargets : objective === 'normalized-pixels'
  const visible = normalized && statistics === 'visible' ? visibleStatistics(configuration, frames, masked) : null
  const painted = Uint8Array.from(frames)
  const pixels = tubelet * patch * patch
  for (const [m, token] of masked.entries()) {
    const offsets = patchOffsets(configuration, frames.length, token)
    for (let c = 0; c < channels; c++) {
      const { mean, std } = normalized ? (visible?.[c] ?? patchStatistics(frames, offsets, c)) : asPixels
      for (let s = 0; s < pixels; s++) {
        const value = prediction[m * values + s * channels + c] * std + mean
        painted[offsets[s] + c] = Math.round(Math.min(1, Math.max(0, value)) * 255)
      }
    }
  }
  return painted
}

/**
 * The clip with the patches of `masked` filled with one gray.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for a clip of another size, or a token that the clip does not have
 */
export function hidePatches(
  configuration: ModelConfiguration,
  frames: Uint8Array,
  masked: Int32Array,
  gray = 128,
): Uint8Array {
  const hidden = Uint8Array.from(frames)
  for (const token of masked) {
    for (const offset of patchOffsets(configuration, frames.length, token)) {
      hidden.fill(gray, offset, offset + configuration.channels)
    }
  }
  return hidden
}

const asPixels: ChannelStatistics = { mean: 0, std: 1 }

/** Average mean and std of the patches that are not in `masked`, per channel. */
function visibleStatistics(
  configuration: ModelConfiguration,
  frames: Uint8Array,
  masked: Int32Array,
): ChannelStatistics[] {
  const hidden = new Set(masked)
  const sums = Array.from({ length: configuration.channels }, () => ({ mean: 0, std: 0 }))
  let patches = 0
  for (let token = 0; token < tokensPerClip(configuration); token++) {
    if (hidden.has(token)) continue
    patches++
    const offsets = patchOffsets(configuration, frames.length, token)
    for (const [c, sum] of sums.entries()) {
      const { mean, std } = patchStatistics(frames, offsets, c)
      sum.mean += mean
      sum.std += std
    }
  }
  if (patches === 0) return sums.map((_, c) => ({ mean: configuration.mean[c], std: configuration.std[c] }))
  return sums.map(({ mean, std }) => ({ mean: mean / patches, std: std / patches }))
}
