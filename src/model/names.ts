import { VideoMaeError } from '../core/errors.ts'
import type { ModelConfiguration } from './configuration.ts'
import type { ModelKind } from './parameters.ts'

/**
 * Names of parameters in files. Inside, parameters carry the names of the original implementation, the encoder's always
 * with `encoder.` in front; a Hugging Face file splits each fused qkv into three tensors.
 */
export interface FileTensor {
  /** The name that is written. */
  readonly name: string
  /** Other names under which the same values may stand in a file. */
  readonly aliases: readonly string[]
}

const insideBlock: Readonly<Record<string, string>> = {
  'norm1.weight': 'layernorm_before.weight',
  'norm1.bias': 'layernorm_before.bias',
  'attn.proj.weight': 'attention.output.dense.weight',
  'attn.proj.bias': 'attention.output.dense.bias',
  'norm2.weight': 'layernorm_after.weight',
  'norm2.bias': 'layernorm_after.bias',
  'mlp.fc1.weight': 'intermediate.dense.weight',
  'mlp.fc1.bias': 'intermediate.dense.bias',
  'mlp.fc2.weight': 'output.dense.weight',
  'mlp.fc2.bias': 'output.dense.bias',
  // transformers' VideoMAE has no LayerScale; these are the names of its BEiT.
  gamma_1: 'lambda_1',
  gamma_2: 'lambda_2',
}

const outsideBlocks: Readonly<Record<string, string>> = {
  'encoder.patch_embed.proj.weight': 'videomae.embeddings.patch_embeddings.projection.weight',
  'encoder.patch_embed.proj.bias': 'videomae.embeddings.patch_embeddings.projection.bias',
  'encoder.pos_embed': 'videomae.embeddings.position_embeddings',
  'encoder.norm.weight': 'videomae.layernorm.weight',
  'encoder.norm.bias': 'videomae.layernorm.bias',
  'encoder_to_decoder.weight': 'encoder_to_decoder.weight',
  mask_token: 'mask_token',
  'decoder.norm.weight': 'decoder.norm.weight',
  'decoder.norm.bias': 'decoder.norm.bias',
  'decoder.head.weight': 'decoder.head.weight',
  'decoder.head.bias': 'decoder.head.bias',
  'fc_norm.weight': 'fc_norm.weight',
  'fc_norm.bias': 'fc_norm.bias',
  'head.weight': 'classifier.weight',
  'head.bias': 'classifier.bias',
}

/**
 * The tensors of a Hugging Face file that hold a parameter, joined along the first axis; several for a fused qkv. The
 * written names are those of all published checkpoints; newer releases of transformers name the biases `query.bias` and
 * `value.bias`, and a bare encoder has no `videomae.` in front.
 *
 * @throws VideoMaeError `PARAMETER_UNKNOWN`
 */
export function huggingFaceTensors(parameter: string): readonly FileTensor[] {
  const block = /^(encoder|decoder)\.blocks\.(\d+)\.(.+)$/.exec(parameter)
  if (block === null) {
    const name = outsideBlocks[parameter]
    if (name === undefined) throw unknownParameter(parameter)
    return [fileTensor(name)]
  }
  const [, part, index, rest] = block
  const prefix = part === 'encoder' ? `videomae.encoder.layer.${index}` : `decoder.decoder_layers.${index}`
  const attention = `${prefix}.attention.attention`
  if (rest === 'attn.qkv.weight') {
    return ['query', 'key', 'value'].map((projection) => fileTensor(`${attention}.${projection}.weight`))
  }
  if (rest === 'attn.q_bias') return [fileTensor(`${attention}.q_bias`, `${attention}.query.bias`)]
  if (rest === 'attn.v_bias') return [fileTensor(`${attention}.v_bias`, `${attention}.value.bias`)]
  const name = insideBlock[rest]
  // How DINOv2 and the original call them.
  if (rest === 'gamma_1' || rest === 'gamma_2') {
    return [fileTensor(`${prefix}.${name}`, `${prefix}.layer_scale${rest.at(-1)}.lambda1`, `${prefix}.${rest}`)]
  }
  if (name === undefined) throw unknownParameter(parameter)
  return [fileTensor(`${prefix}.${name}`)]
}

function fileTensor(name: string, ...aliases: readonly string[]): FileTensor {
  const bare = [name, ...aliases].filter((n) => n.startsWith('videomae.')).map((n) => n.slice('videomae.'.length))
  return { name, aliases: [...aliases, ...bare] }
}

/**
 * The tensors of an original state dict (VideoMAE, VideoMAE V2) that hold a parameter: its own name, or for a fine-tuned
 * model the same without `encoder.`.
 */
export function originalTensors(parameter: string): readonly FileTensor[] {
  const bare = parameter.startsWith('encoder.') ? [parameter.slice('encoder.'.length)] : []
  return [{ name: parameter, aliases: bare }]
}

/** Shape in a file of one of the `pieces` equal tensors that make up a parameter. */
export function fileShape(
  parameter: string,
  shape: readonly number[],
  pieces: number,
  { channels, tubelet, patch }: ModelConfiguration,
): readonly number[] {
  if (parameter === 'encoder.patch_embed.proj.weight') return [shape[0], channels, tubelet, patch, patch]
  if (parameter === 'mask_token') return [1, 1, ...shape]
  if (parameter === 'encoder.pos_embed') return [1, ...shape]
  return [shape[0] / pieces, ...shape.slice(1)]
}

export type NamingStyle = 'huggingface' | 'original'

/** How the tensors of a file are named; null for neither. Names are without wrapper prefixes. */
export function namingStyle(names: readonly string[]): NamingStyle | null {
  if (names.some((name) => /(^|\.)embeddings\.patch_embeddings\.projection\.weight$/.test(name))) return 'huggingface'
  if (names.some((name) => /^(encoder\.)?patch_embed\.proj\.weight$/.test(name))) return 'original'
  return null
}

/** Which model the tensors of a file make up. */
export function kindOfNames(names: readonly string[]): ModelKind {
  const has = (pattern: RegExp) => names.some((name) => pattern.test(name))
  if (has(/^(mask_token|encoder_to_decoder\.weight)$/)) return 'pretrain'
  return has(/^(classifier|head|fc_norm)\.weight$/) ? 'classify' : 'encoder'
}

/** Prefixes that training wrappers put before every name. */
const wrappers = ['_orig_mod.', 'module.', 'model.', 'state_dict.', 'backbone.']

/** A name without what wrappers (distributed training, compilation, a saved dictionary) put before it. */
export function stripWrappers(name: string): string {
  const wrapper = wrappers.find((prefix) => name.startsWith(prefix))
  return wrapper === undefined ? name : stripWrappers(name.slice(wrapper.length))
}

/** Tensors that carry nothing: key biases, which cancel in the softmax, and counts of positions. */
export function carriesNothing(name: string): boolean {
  return /(^|\.)(key\.bias|k_bias|position_ids)$/.test(name)
}

function unknownParameter(parameter: string): VideoMaeError {
  return new VideoMaeError(`Expected a parameter that Hugging Face's VideoMAE has, but received ${parameter}.`, {
    code: 'PARAMETER_UNKNOWN',
    hint: 'Probe heads are saved separately, not in a model directory.',
  })
}
