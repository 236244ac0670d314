import { VideoMaeError } from '../core/errors.ts'
import { keysNamed } from './json-keys.ts'

/** GELU with the error function, by all its names in transformers. */
const exactGelu = ['gelu', 'gelu_python']

/** Classes of transformers that are computed here. */
const architectures = ['VideoMAEForPreTraining', 'VideoMAEForVideoClassification', 'VideoMAEModel']

/**
 * Keys of `config.json` that change nothing of what a model computes here: how it is trained, stored and run, where it comes from, and
 * those of other kinds of models, which every file of older versions of transformers carries.
 */
const irrelevant = `
  initializer_range mask_ratio drop_path_rate layerdrop dtype torch_dtype torchscript use_bfloat16
  gradient_checkpointing attn_implementation chunk_size_feed_forward return_dict return_loss use_cache
  output_attentions output_hidden_states tf_legacy_loss tie_word_embeddings tie_encoder_decoder
  loss_type _name_or_path _commit_hash _attn_implementation _attn_implementation_autoset
  _attn_implementation_internal transformers_version auto_map license finetuning_task
  task_specific_params name_or_path transformers_weights is_encoder_decoder is_decoder
  add_cross_attention cross_attention_hidden_size max_length min_length do_sample early_stopping
  num_beams num_beam_groups diversity_penalty temperature top_k top_p typical_p repetition_penalty
  length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids num_return_sequences
  output_scores return_dict_in_generate forced_bos_token_id forced_eos_token_id remove_invalid_values
  exponential_decay_length_penalty suppress_tokens begin_suppress_tokens tokenizer_class prefix
  bos_token_id pad_token_id eos_token_id sep_token_id decoder_start_token_id generation_config
`.split(/\s+/)

/** Keys that are looked at here and in `classifier-meaning.ts`. */
const checked = `
  architectures model_type pruned_heads quantization_config hidden_dropout_prob
  attention_probs_dropout_prob problem_type num_labels _num_labels label2id id2label
`.split(/\s+/)

/**
 * Refuses a `config.json` of a model that is not computed here, before its keys are read as if it were.
 *
 * @throws VideoMaeError `MODEL_UNSUPPORTED` naming what differs
 */
export function checkArchitecture(config: unknown): void {
  if (typeof config !== 'object' || config === null) return
  const c = config as Readonly<Record<string, unknown>>
  const type = c.model_type
  if (typeof type === 'string' && !/^videomae(-factored|-extended)?$/.test(type)) {
    throw unsupportedModel(`its model_type is ${JSON.stringify(type)}`, c)
  }
  const classes = Array.isArray(c.architectures) ? c.architectures.map(String) : []
  if (classes.length > 0 && !classes.some((name) => architectures.includes(name))) {
    throw unsupportedModel(`its architectures are ${classes.join(', ')}`, c)
  }
  const activation = c.hidden_act
  if (activation !== undefined && !exactGelu.includes(String(activation))) {
    throw unsupportedModel(`its hidden_act is ${JSON.stringify(activation)}`, c)
  }
  if (c.quantization_config !== undefined && c.quantization_config !== null) {
    throw unsupportedModel('its weights are quantized (quantization_config)', c)
  }
  const pruned = c.pruned_heads
  if (typeof pruned === 'object' && pruned !== null && Object.keys(pruned).length > 0) {
    throw unsupportedModel('some of its heads were removed (pruned_heads)', c)
  }
}

function unsupportedModel(what: string, config: Readonly<Record<string, unknown>>): VideoMaeError {
  const quantized = config.quantization_config !== undefined && config.quantization_config !== null
  return new VideoMaeError(`Expected a supported VideoMAE in config.json, but ${what}.`, {
    code: 'MODEL_UNSUPPORTED',
    exit: 'data',
    hint: quantized
      ? 'Use the weights in float32, float16 or bfloat16.'
      : `Supported are ${architectures.join(', ')} with the exact GELU, and the encoders of VideoMAE and VideoMAE V2.`,
  })
}

/** Dropout inside blocks, which training here does not have, and keys that nothing here reads. */
export function unusedKeys(config: Readonly<Record<string, unknown>>, read: readonly string[]): string[] {
  const warnings: string[] = []
  const dropout = ['hidden_dropout_prob', 'attention_probs_dropout_prob'].filter(
    (key) => typeof config[key] === 'number' && config[key] !== 0,
  )
  if (dropout.length > 0) {
    warnings.push(
      `config.json: ${dropout.join(' and ')} not applied when this model is trained further: blocks have no dropout here.`,
    )
  }
  const unknown = keysNamed(config, [...read, ...checked, ...irrelevant])
  if (unknown.length > 0) warnings.push(`config.json: ${unknown.join(', ')} unknown and not applied.`)
  return warnings
}
