import { z } from 'zod'
import { VideoMaeError } from '../core/errors.ts'
import { sameShape } from '../graph/program.ts'
import {
  type ModelConfiguration,
  type ModelOptions,
  originalEpsilon,
  positionKinds,
  resolveConfiguration,
  tokenGrid,
} from './configuration.ts'
import { checkArchitecture, unusedKeys } from './foreign-models.ts'
import { invalidFile, parseFile } from './json-keys.ts'
import type { ModelKind } from './parameters.ts'
import { readPreprocessing } from './preprocessing.ts'

/**
 * Which epsilons the norms get, since Hugging Face's code differs from the original implementation.
 *
 * `original`: one epsilon in every norm, the file's `layer_norm_eps`; but where that is 1e-12, the default that
 * converters left in all published files, 1e-6, with which those weights were trained.
 * `transformers`: what that library computes: `layer_norm_eps` unchanged, and 1e-5 in `decoder.norm` and `fc_norm`,
 * whatever the file says.
 */
export type NormPolicy = 'original' | 'transformers'

const transformersBlockEpsilon = 1e-12
const transformersHeadEpsilon = 1e-5

/**
 * Model type of checkpoints with factored positions. Another name on purpose: transformers computes flattened ones, and
 * features that are silently wrong are worse than a model it does not know.
 */
const factoredType = 'videomae-factored'
/** Likewise, of those with LayerScale, learned or interpolated positions. */
const extendedType = 'videomae-extended'
const modelTypes = ['videomae', factoredType, extendedType] as const

const size = z.number().int().positive()
const side = z.union([size, z.array(size).length(2)])

/** `config.json`. Defaults are those of transformers' class; keys that only training reads are left out. */
const configurationFile = z.looseObject({
  model_type: z.enum(modelTypes).optional(),
  image_size: side.default(224),
  patch_size: side.default(16),
  num_channels: size.default(3),
  num_frames: size.default(16),
  tubelet_size: size.default(2),
  hidden_size: size.default(768),
  num_hidden_layers: size.default(12),
  num_attention_heads: size.default(12),
  intermediate_size: size.default(3072),
  hidden_act: z.string().default('gelu'),
  layer_norm_eps: z.number().positive().default(transformersBlockEpsilon),
  qkv_bias: z.boolean().optional(),
  /** The name of `qkv_bias` in transformers 5. */
  qv_bias: z.boolean().optional(),
  use_mean_pooling: z.boolean().default(true),
  decoder_num_attention_heads: size.default(6),
  decoder_hidden_size: size.default(384),
  decoder_num_hidden_layers: size.default(4),
  decoder_intermediate_size: size.default(1536),
  norm_pix_loss: z.boolean().default(true),
  id2label: z.record(z.string(), z.string()).optional(),
  /** Ours, absent elsewhere: `headNormEpsilon` and `positionGrid`. Other readers ignore them. */
  head_norm_eps: z.number().positive().optional(),
  position_grid: z.tuple([size, size, size]).optional(),
  /** Ours, of the extended type. */
  position_embedding: z.enum(positionKinds).optional(),
  layer_scale: z.boolean().optional(),
  /** BEiT's key. */
  layer_scale_init_value: z.number().nullish(),
})

export interface HuggingFaceConfiguration {
  readonly configuration: ModelConfiguration
  /** Class names in order; null where the file has none. */
  readonly labels: readonly string[] | null
  /** What a user should know about this file, one sentence each. */
  readonly warnings: readonly string[]
}

/**
 * Reads `config.json` and `preprocessor_config.json` (null where there is none).
 *
 * `use_mean_pooling` means the encoder's last norm in a pretrained model and the pooling in a classifier. A pretrained
 * model therefore comes out ready for mean pooling, whatever its file says.
 *
 * @throws VideoMaeError `CHECKPOINT_INVALID` naming the key that does not fit, `MODEL_UNSUPPORTED` naming what is not computed here
 */
export function readHuggingFaceConfiguration(
  config: unknown,
  preprocessor: unknown,
  kind: ModelKind,
  policy: NormPolicy = 'original',
): HuggingFaceConfiguration {
  checkArchitecture(config)
  const c = parseFile('config.json', configurationFile, config)
  const imageSize = pair(c.image_size)
  const pixels = readPreprocessing(preprocessor, { imageSize, channels: c.num_channels })
  const warnings = [...unusedKeys(c, Object.keys(configurationFile.shape)), ...pixels.warnings]
  if (c.hidden_size === 384 && c.num_attention_heads === 16) {
    warnings.push(
      'config.json gives ViT-S 16 attention heads, which a conversion script is known to write by mistake; the ' +
        'original has 6. Load with encoderHeads 6 if the weights come from the original.',
    )
  }
  const epsilon =
    policy === 'original' && c.head_norm_eps === undefined && c.layer_norm_eps === transformersBlockEpsilon
      ? originalEpsilon
      : c.layer_norm_eps
  const grid = c.position_grid
  const layerScale = c.layer_scale ?? (c.layer_scale_init_value ?? 0) > 0
  const configuration = resolveFile('config.json', {
    imageSize,
    resize: pixels.resize ?? undefined,
    channels: c.num_channels,
    frames: c.num_frames,
    patch: squarePatch(c.patch_size),
    tubelet: c.tubelet_size,
    encoder: {
      width: c.hidden_size,
      depth: c.num_hidden_layers,
      heads: c.num_attention_heads,
      mlpWidth: c.intermediate_size,
      layerScale,
    },
    decoder: {
      width: c.decoder_hidden_size,
      depth: c.decoder_num_hidden_layers,
      heads: c.decoder_num_attention_heads,
      mlpWidth: c.decoder_intermediate_size,
      layerScale,
    },
    attentionBias: c.qv_bias ?? c.qkv_bias ?? true,
    layerNormEpsilon: epsilon,
    headNormEpsilon: policy === 'original' ? (c.head_norm_eps ?? epsilon) : transformersHeadEpsilon,
    mean: pixels.mean,
    std: pixels.std,
    normalizeTargets: c.norm_pix_loss,
    encoderNorm: kind === 'classify' ? true : !c.use_mean_pooling,
    useMeanPooling: kind === 'classify' ? c.use_mean_pooling : true,
    positions: c.position_embedding ?? (c.model_type === factoredType ? 'factored' : 'flattened'),
    positionGrid: grid === undefined ? null : { t: grid[0], h: grid[1], w: grid[2] },
  })
  return {
    configuration,
    labels: labelList(c.id2label),
    warnings,
  }
}

/** `config.json` of a model, as transformers 4 and 5 read it. */
export function writeHuggingFaceConfiguration(
  configuration: ModelConfiguration,
  kind: ModelKind,
  labels: readonly string[] | null = null,
): Record<string, unknown> {
  const { imageSize, encoder, decoder, positionGrid: grid } = configuration
  const architecture = { pretrain: 'ForPreTraining', classify: 'ForVideoClassification', encoder: 'Model' }[kind]
  const file: Record<string, unknown> = {
    architectures: [`VideoMAE${architecture}`],
    model_type: typeOf(configuration),
    image_size: imageSize[0] === imageSize[1] ? imageSize[0] : [...imageSize],
    patch_size: configuration.patch,
    num_channels: configuration.channels,
    num_frames: configuration.frames,
    tubelet_size: configuration.tubelet,
    hidden_size: encoder.width,
    num_hidden_layers: encoder.depth,
    num_attention_heads: encoder.heads,
    intermediate_size: encoder.mlpWidth,
    hidden_act: 'gelu',
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
    initializer_range: 0.02,
    layer_norm_eps: configuration.layerNormEpsilon,
    head_norm_eps: configuration.headNormEpsilon,
    qkv_bias: configuration.attentionBias ?? true,
    use_mean_pooling: kind === 'classify' ? configuration.useMeanPooling : !configuration.encoderNorm,
    decoder_num_attention_heads: decoder.heads,
    decoder_hidden_size: decoder.width,
    decoder_num_hidden_layers: decoder.depth,
    decoder_intermediate_size: decoder.mlpWidth,
    norm_pix_loss: configuration.normalizeTargets,
    dtype: 'float32',
    torch_dtype: 'float32',
  }
  if (grid !== null) file.position_grid = [grid.t, grid.h, grid.w]
  if (file.model_type === extendedType) {
    file.position_embedding = configuration.positions
    file.layer_scale = encoder.layerScale ?? false
  }
  if (labels !== null) {
    file.id2label = Object.fromEntries(labels.map((label, i) => [String(i), label]))
    file.label2id = Object.fromEntries(labels.map((label, i) => [label, i]))
  }
  return file
}

/** The name under which transformers takes a checkpoint for its own only where it computes the same. */
function typeOf(configuration: ModelConfiguration): (typeof modelTypes)[number] {
  const { encoder, decoder, positions, positionGrid: from } = configuration
  const own = tokenGrid(configuration)
  const interpolated = from !== null && !sameShape([from.t, from.h, from.w], [own.t, own.h, own.w])
  const layerScale = encoder.layerScale === true || decoder.layerScale === true
  if (layerScale || interpolated || positions === 'learned') return extendedType
  return positions === 'factored' ? factoredType : 'videomae'
}

/** Sizes that a file gives: where they do not fit, the file is at fault and no argument. */
export function resolveFile(file: string, options: ModelOptions): ModelConfiguration {
  try {
    return resolveConfiguration(options)
  } catch (error) {
    if (!(error instanceof VideoMaeError)) throw error
    throw new VideoMaeError(`${error.message} The value follows from ${file}.`, {
      code: 'CHECKPOINT_INVALID',
      exit: 'data',
      cause: error,
    })
  }
}

function pair(value: number | readonly number[]): readonly [number, number] {
  return typeof value === 'number' ? [value, value] : [value[0], value[1]]
}

function squarePatch(value: number | readonly number[]): number {
  const [height, width] = pair(value)
  if (height !== width) throw invalidFile('config.json', `patch_size: expected a square, received ${height} x ${width}`)
  return height
}

/** Names of the classes 0..K-1, or null where the map does not name exactly those. */
function labelList(map: Readonly<Record<string, string>> | undefined): readonly string[] | null {
  if (map === undefined) return null
  const labels = Object.keys(map).map((_, i) => map[String(i)])
  return labels.length > 0 && labels.every((label) => label !== undefined) ? labels : null
}
