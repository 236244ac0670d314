import { VideoMaeError } from '../core/errors.ts'
import {
  type ModelConfiguration,
  originalEpsilon,
  resolveConfiguration,
  type TransformerOptions,
} from './configuration.ts'
import { presetHeads } from './presets.ts'

/** What the tensors of an original state dict cannot tell. */
export interface OriginalHints {
  /** Default 224. */
  readonly imageSize?: number | readonly [number, number]
  /** Default 16. */
  readonly frames?: number
  /** Default: the preset of that width, else heads of 64 values. */
  readonly encoderHeads?: number
  readonly decoderHeads?: number
  readonly normaliseTargets?: boolean
  readonly mean?: readonly number[]
  readonly std?: readonly number[]
}

/**
 * Configuration of a VideoMAE or VideoMAE V2 state dict, from the shapes of its tensors. Positions are not in such a
 * file, so frame size and number come from the hints.
 *
 * @param shapeOf shape of a tensor by its name without wrappers, null where the file has none
 * @throws VideoMaeError `CHECKPOINT_INVALID`
 */
export function originalConfiguration(
  shapeOf: (name: string) => readonly number[] | null,
  hints: OriginalHints = {},
): ModelConfiguration {
  const encoderPrefix = shapeOf('encoder.patch_embed.proj.weight') === null ? '' : 'encoder.'
  const kernel = shapeOf(`${encoderPrefix}patch_embed.proj.weight`)
  if (kernel === null || kernel.length !== 5 || kernel[3] !== kernel[4]) {
    throw new VideoMaeError(
      `Expected patch_embed.proj.weight of shape [width, channels, tubelet, patch, patch], found ${JSON.stringify(kernel)}.`,
      { code: 'CHECKPOINT_INVALID', exit: 'data' },
    )
  }
  const [width, channels, tubelet, patch] = kernel
  const decoderWidth = shapeOf('encoder_to_decoder.weight')?.[0]
  return resolveConfiguration({
    imageSize: hints.imageSize,
    channels,
    frames: hints.frames,
    patch,
    tubelet,
    encoder: transformer(
      shapeOf,
      `${encoderPrefix}blocks`,
      width,
      hints.encoderHeads ?? defaultHeads('encoder', width),
    ),
    decoder:
      decoderWidth === undefined
        ? undefined
        : transformer(
            shapeOf,
            'decoder.blocks',
            decoderWidth,
            hints.decoderHeads ?? defaultHeads('decoder', decoderWidth),
          ),
    layerNormEpsilon: originalEpsilon,
    mean: hints.mean,
    std: hints.std,
    normaliseTargets: hints.normaliseTargets,
    encoderNorm: shapeOf(`${encoderPrefix}norm.weight`) !== null,
    useMeanPooling: shapeOf('fc_norm.weight') !== null || decoderWidth !== undefined,
  })
}

function transformer(
  shapeOf: (name: string) => readonly number[] | null,
  prefix: string,
  width: number,
  heads: number,
): TransformerOptions {
  let depth = 0
  while (shapeOf(`${prefix}.${depth}.norm1.weight`) !== null) depth++
  const mlpWidth = shapeOf(`${prefix}.0.mlp.fc1.weight`)?.[0]
  return mlpWidth === undefined ? { width, depth, heads } : { width, depth, heads, mlpWidth }
}

function defaultHeads(part: 'encoder' | 'decoder', width: number): number {
  return presetHeads(part, width) ?? Math.max(1, Math.floor(width / 64))
}

/** Hints in the `model_config` of the `config.json` that VideoMAE V2's published encoders carry. */
export function hintsFromModelConfig(config: unknown): OriginalHints {
  if (typeof config !== 'object' || config === null || !('model_config' in config)) return {}
  const model = config.model_config
  if (typeof model !== 'object' || model === null) return {}
  const values = model as Readonly<Record<string, unknown>>
  const integer = (key: string) => (Number.isInteger(values[key]) ? (values[key] as number) : undefined)
  return {
    imageSize: integer('img_size'),
    frames: integer('num_frames') ?? integer('all_frames'),
    encoderHeads: integer('num_heads'),
  }
}
