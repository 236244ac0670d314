import { VideoMaeError } from '../core/errors.ts'
import { type ModelConfiguration, originalEpsilon, type TransformerOptions } from './configuration.ts'
import { resolveFile } from './huggingface.ts'
import { keysNamed } from './json-keys.ts'
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
  readonly normalizeTargets?: boolean
  readonly mean?: readonly number[]
  readonly std?: readonly number[]
  /** Default 1e-6. */
  readonly layerNormEpsilon?: number
  /** Whether the encoder's positions are in the file as a learned table. Default: where that differs from the fixed one. */
  readonly learnedPositions?: boolean
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
  const encoderPrefix = encoderPrefixOf(shapeOf)
  const kernel = shapeOf(`${encoderPrefix}patch_embed.proj.weight`)
  if (kernel === null || kernel.length !== 5 || kernel[3] !== kernel[4]) {
    throw new VideoMaeError(
      `Expected patch_embed.proj.weight of shape [width, channels, tubelet, patch, patch], found ${JSON.stringify(kernel)}.`,
      { code: 'CHECKPOINT_INVALID', exit: 'data' },
    )
  }
  const [width, channels, tubelet, patch] = kernel
  const decoderWidth = shapeOf('encoder_to_decoder.weight')?.[0]
  return resolveFile('the shapes of its tensors and the config.json next to it', {
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
    attentionBias: hasBiases(shapeOf, encoderPrefix),
    layerNormEpsilon: hints.layerNormEpsilon ?? originalEpsilon,
    mean: hints.mean,
    std: hints.std,
    normalizeTargets: hints.normalizeTargets,
    positions: hints.learnedPositions === true ? 'learned' : 'flattened',
    encoderNorm: shapeOf(`${encoderPrefix}norm.weight`) !== null,
    useMeanPooling: shapeOf('fc_norm.weight') !== null || decoderWidth !== undefined,
  })
}

/** `encoder.` before the encoder's names in files of pretraining, nothing in those of fine-tuning. */
export function encoderPrefixOf(shapeOf: (name: string) => readonly number[] | null): '' | 'encoder.' {
  return shapeOf('encoder.patch_embed.proj.weight') === null ? '' : 'encoder.'
}

/** Whether queries and values have biases, on their own or in that of the fused matrix: a file without any was made without. */
function hasBiases(shapeOf: (name: string) => readonly number[] | null, prefix: string): boolean {
  return ['q_bias', 'v_bias', 'qkv.bias'].some((name) => shapeOf(`${prefix}blocks.0.attn.${name}`) !== null)
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
  const layerScale = shapeOf(`${prefix}.0.gamma_1`) !== null
  return mlpWidth === undefined ? { width, depth, heads, layerScale } : { width, depth, heads, mlpWidth, layerScale }
}

function defaultHeads(part: 'encoder' | 'decoder', width: number): number {
  return presetHeads(part, width) ?? Math.max(1, Math.floor(width / 64))
}

/** What `model_config` of VideoMAE V2's published encoders may say in addition to sizes, and the values under which it is computed here. */
const computed: Readonly<Record<string, (value: unknown) => boolean>> = {
  cos_attn: (value) => !value,
  qk_scale: (value) => value === null || value === undefined,
  norm_layer: (value) => /layernorm/i.test(String(value)),
  act_layer: (value) => /^(nn\.)?gelu$/i.test(String(value)),
  use_cls: (value) => !value,
  in_chans: () => true,
}

/** Keys that the shapes of the tensors tell, or that only training reads. */
const redundant = `
  embed_dim depth mlp_ratio qkv_bias patch_size tubelet_size num_classes init_values init_scale use_mean_pooling
  drop_rate attn_drop_rate drop_path_rate fc_drop_rate head_drop_rate with_cp use_checkpoint drop_path model_name pretrained
`
  .trim()
  .split(/\s+/)

const applied = [
  'img_size',
  'num_frames',
  'all_frames',
  'num_heads',
  'layer_norm_eps',
  'decoder_num_heads',
  'use_learnable_pos_emb',
]

export interface ModelConfigHints {
  readonly hints: OriginalHints
  readonly warnings: readonly string[]
}

/**
 * Hints in the `model_config` of the `config.json` that VideoMAE V2's published encoders carry.
 *
 * @throws VideoMaeError `MODEL_UNSUPPORTED` naming a setting that is not computed here
 */
export function hintsFromModelConfig(config: unknown): ModelConfigHints {
  if (typeof config !== 'object' || config === null || !('model_config' in config)) return { hints: {}, warnings: [] }
  const model = config.model_config
  if (typeof model !== 'object' || model === null) return { hints: {}, warnings: [] }
  const values = model as Readonly<Record<string, unknown>>
  for (const [key, holds] of Object.entries(computed)) {
    if (key in values && !holds(values[key])) {
      throw new VideoMaeError(
        `Expected a supported VideoMAE in config.json, but its model_config says ${key} ${JSON.stringify(values[key])}.`,
        {
          code: 'MODEL_UNSUPPORTED',
          exit: 'data',
          hint: 'docs/model.md lists what is supported.',
        },
      )
    }
  }
  const integer = (key: string) => (Number.isInteger(values[key]) ? (values[key] as number) : undefined)
  const size = values.img_size
  const sides =
    Array.isArray(size) && size.length === 2 && size.every(Number.isInteger) ? ([size[0], size[1]] as const) : undefined
  const epsilon = values.layer_norm_eps
  const unknown = keysNamed(values, [...Object.keys(computed), ...redundant, ...applied])
  return {
    hints: {
      imageSize: sides ?? integer('img_size'),
      frames: integer('num_frames') ?? integer('all_frames'),
      encoderHeads: integer('num_heads'),
      decoderHeads: integer('decoder_num_heads'),
      learnedPositions: values.use_learnable_pos_emb === true ? true : undefined,
      layerNormEpsilon: typeof epsilon === 'number' && epsilon > 0 ? epsilon : undefined,
    },
    warnings:
      unknown.length === 0
        ? []
        : [`config.json: model_config.${unknown.join(', model_config.')} unknown and not applied.`],
  }
}
