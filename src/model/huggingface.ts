import { z } from 'zod'
import { VideoMaeError } from '../core/errors.ts'
import { type ModelConfiguration, originalEpsilon, resolveConfiguration } from './configuration.ts'
import type { ModelKind } from './parameters.ts'

/**
 * Which epsilons the norms get, since Hugging Face's code differs from the original implementation.
 *
 * `original`: one epsilon in every norm, the file's `layer_norm_eps`; but where that is 1e-12, the default that
 * converters left in all published files, 1e-6, with which those weights were trained.
 * `transformers`: what that library computes: `layer_norm_eps` as it stands, and 1e-5 in `decoder.norm` and `fc_norm`,
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

const size = z.number().int().positive()
const side = z.union([size, z.array(size).length(2)])

/** `config.json`. Defaults are those of transformers' class; keys that only training reads are left out. */
const configurationFile = z.looseObject({
  model_type: z.enum(['videomae', factoredType]).optional(),
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
})

const preprocessorFile = z.looseObject({
  image_mean: z.array(z.number()).optional(),
  image_std: z.array(z.number().positive()).optional(),
})

export interface HuggingFaceConfiguration {
  readonly configuration: ModelConfiguration
  /** Class names in order; null where the file has none. */
  readonly labels: readonly string[] | null
  /** Whether queries and values have biases; false: they count as zero. */
  readonly attentionBias: boolean
  /** What a user should know about this file, one sentence each. */
  readonly warnings: readonly string[]
}

/**
 * Reads `config.json` and `preprocessor_config.json` (null where there is none: ImageNet's mean and deviation).
 *
 * `use_mean_pooling` means the encoder's last norm in a pretrained model and the pooling in a classifier. A pretrained
 * model therefore comes out ready for mean pooling, whatever its file says.
 *
 * @throws VideoMaeError `CHECKPOINT_INVALID` naming the key that does not fit
 */
export function readHuggingFaceConfiguration(
  config: unknown,
  preprocessor: unknown,
  kind: ModelKind,
  policy: NormPolicy = 'original',
): HuggingFaceConfiguration {
  const c = parse('config.json', configurationFile, config)
  const p = preprocessor === null ? null : parse('preprocessor_config.json', preprocessorFile, preprocessor)
  if (c.hidden_act !== 'gelu') throw invalid('config.json', `hidden_act: expected "gelu", received "${c.hidden_act}"`)
  const warnings: string[] = []
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
  const channels = c.num_channels
  const configuration = resolveConfiguration({
    imageSize: pair(c.image_size),
    channels,
    frames: c.num_frames,
    patch: squarePatch(c.patch_size),
    tubelet: c.tubelet_size,
    encoder: {
      width: c.hidden_size,
      depth: c.num_hidden_layers,
      heads: c.num_attention_heads,
      mlpWidth: c.intermediate_size,
    },
    decoder: {
      width: c.decoder_hidden_size,
      depth: c.decoder_num_hidden_layers,
      heads: c.decoder_num_attention_heads,
      mlpWidth: c.decoder_intermediate_size,
    },
    layerNormEpsilon: epsilon,
    headNormEpsilon: policy === 'original' ? (c.head_norm_eps ?? epsilon) : transformersHeadEpsilon,
    // A preprocessor file without the keys stands for its class's defaults, .5; no file at all for ImageNet's values.
    mean: p === null ? undefined : (p.image_mean ?? Array<number>(channels).fill(0.5)),
    std: p === null ? undefined : (p.image_std ?? Array<number>(channels).fill(0.5)),
    normaliseTargets: c.norm_pix_loss,
    encoderNorm: kind === 'classify' ? true : !c.use_mean_pooling,
    useMeanPooling: kind === 'classify' ? c.use_mean_pooling : true,
    positions: c.model_type === factoredType ? 'factored' : 'flattened',
    positionGrid: grid === undefined ? null : { t: grid[0], h: grid[1], w: grid[2] },
  })
  return {
    configuration,
    labels: labelList(c.id2label),
    attentionBias: c.qv_bias ?? c.qkv_bias ?? true,
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
    model_type: configuration.positions === 'factored' ? factoredType : 'videomae',
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
    qkv_bias: true,
    use_mean_pooling: kind === 'classify' ? configuration.useMeanPooling : !configuration.encoderNorm,
    decoder_num_attention_heads: decoder.heads,
    decoder_hidden_size: decoder.width,
    decoder_num_hidden_layers: decoder.depth,
    decoder_intermediate_size: decoder.mlpWidth,
    norm_pix_loss: configuration.normaliseTargets,
    dtype: 'float32',
    torch_dtype: 'float32',
  }
  if (grid !== null) file.position_grid = [grid.t, grid.h, grid.w]
  if (labels !== null) {
    file.id2label = Object.fromEntries(labels.map((label, i) => [String(i), label]))
    file.label2id = Object.fromEntries(labels.map((label, i) => [label, i]))
  }
  return file
}

/** `preprocessor_config.json` of a model: resize the short side, crop the centre, scale to [0, 1], normalise. */
export function writeHuggingFacePreprocessor(configuration: ModelConfiguration): Record<string, unknown> {
  const [height, width] = configuration.imageSize
  return {
    image_processor_type: 'VideoMAEImageProcessor',
    do_resize: true,
    size: { shortest_edge: Math.min(height, width) },
    resample: 2,
    do_center_crop: true,
    crop_size: { height, width },
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: [...configuration.mean],
    image_std: [...configuration.std],
  }
}

function pair(value: number | readonly number[]): readonly [number, number] {
  return typeof value === 'number' ? [value, value] : [value[0], value[1]]
}

function squarePatch(value: number | readonly number[]): number {
  const [height, width] = pair(value)
  if (height !== width) throw invalid('config.json', `patch_size: expected a square, received ${height} x ${width}`)
  return height
}

/** Names of the classes 0..K-1, or null where the map does not name exactly those. */
function labelList(map: Readonly<Record<string, string>> | undefined): readonly string[] | null {
  if (map === undefined) return null
  const labels = Object.keys(map).map((_, i) => map[String(i)])
  return labels.length > 0 && labels.every((label) => label !== undefined) ? labels : null
}

function parse<T>(file: string, schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issues = result.error.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`)
  throw invalid(file, issues.join('; '))
}

function invalid(file: string, what: string): VideoMaeError {
  return new VideoMaeError(`Expected a VideoMAE ${file}, but ${what}.`, { code: 'CHECKPOINT_INVALID', exit: 'data' })
}
