import { invalidArgument } from '../core/errors.ts'
import {
  type ModelConfiguration,
  type ModelOptions,
  resolveConfiguration,
  type TransformerOptions,
} from './configuration.ts'

/** Sizes of VideoMAE, the smallest first. */
export const presetNames = ['tiny', 'small', 'base', 'large', 'huge', 'giant'] as const
/** Name of one of `presetNames`. */
export type PresetName = (typeof presetNames)[number]

interface Preset {
  readonly encoder: TransformerOptions
  readonly patch: number
  /** Decoder by version of the method: 1 = VideoMAE, 2 = VideoMAE V2 (depth 4 at every size). */
  readonly decoder: Readonly<Record<1 | 2, TransformerOptions>>
}

const decoder = (width: number, heads: number, depth = 4): TransformerOptions => ({ width, depth, heads })

/**
 * VideoMAE (Tong et al. 2022) S, B, L, H and VideoMAE V2 (Wang et al. 2023) g/14 with the decoders of their training
 * scripts. Tiny follows DeiT-Ti (192 x 12, 3 heads) with a decoder of half that width.
 */
const presets: Readonly<Record<PresetName, Preset>> = {
  tiny: { encoder: { width: 192, depth: 12, heads: 3 }, patch: 16, decoder: { 1: decoder(96, 3), 2: decoder(96, 3) } },
  small: {
    encoder: { width: 384, depth: 12, heads: 6 },
    patch: 16,
    decoder: { 1: decoder(192, 3), 2: decoder(192, 3) },
  },
  base: {
    encoder: { width: 768, depth: 12, heads: 12 },
    patch: 16,
    decoder: { 1: decoder(384, 6), 2: decoder(384, 6) },
  },
  large: {
    encoder: { width: 1024, depth: 24, heads: 16 },
    patch: 16,
    decoder: { 1: decoder(512, 8, 12), 2: decoder(512, 8) },
  },
  huge: {
    encoder: { width: 1280, depth: 32, heads: 16 },
    patch: 16,
    decoder: { 1: decoder(640, 8, 12), 2: decoder(512, 8) },
  },
  giant: {
    encoder: { width: 1408, depth: 40, heads: 16, mlpWidth: 6144 },
    patch: 14,
    decoder: { 1: decoder(512, 8), 2: decoder(512, 8) },
  },
}

/** What may differ from a preset. */
export interface PresetOptions extends Omit<ModelOptions, 'encoder'> {
  /** Sizes of the encoder instead of those of the preset. */
  readonly encoder?: TransformerOptions
  /** Which decoder: 1 (default) as VideoMAE, 2 as VideoMAE V2. Giant exists in V2 only. */
  readonly version?: 1 | 2
}

/**
 * A named size, with anything overridden.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 *
 * @example
 * ```ts
 * import { presetConfiguration } from 'videomae/model'
 *
 * const { encoder, frames } = presetConfiguration('base')
 * encoder.width // => 768
 * frames // => 16
 * ```
 */
export function presetConfiguration(name: PresetName, options: PresetOptions = {}): ModelConfiguration {
  if (!presetNames.includes(name)) throw invalidArgument('preset', `one of ${presetNames.join(', ')}`, name)
  const { version = 1, ...overrides } = options
  if (version !== 1 && version !== 2) throw invalidArgument('version', '1 or 2', version)
  const preset = presets[name]
  return resolveConfiguration({
    encoder: preset.encoder,
    decoder: preset.decoder[version],
    patch: preset.patch,
    ...overrides,
  })
}

/**
 * Attention heads of the preset part with this width, for files that do not state them (heads change no shape); null
 * where none fits.
 */
export function presetHeads(part: 'encoder' | 'decoder', width: number): number | null {
  for (const { encoder, decoder } of Object.values(presets)) {
    const found = [...(part === 'encoder' ? [encoder] : [decoder[1], decoder[2]])].find((size) => size.width === width)
    if (found !== undefined) return found.heads
  }
  return null
}
