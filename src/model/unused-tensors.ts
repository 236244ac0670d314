import { VideoMaeError } from '../core/errors.ts'
import type { ModelKind } from './parameters.ts'

/** Tensors of other parts than the model that is loaded: what it computes does not depend on them. */
const otherParts: Readonly<Record<ModelKind, RegExp>> = {
  pretrain: /^(head|classifier|fc_norm)\./,
  classify: /^(decoder[._]|mask_token$|encoder_to_decoder\.|((encoder|videomae)\.)?(norm|layernorm)\.(weight|bias)$)/,
  encoder: /^(decoder[._]|mask_token$|encoder_to_decoder\.|((encoder|videomae)\.)?(norm|layernorm)\.(weight|bias)$)/,
}

/** Other heads on the same encoder, and counters of training. */
const besides =
  /^[^.]*(head|classifier|project|predictor|teacher|criterion|loss|queue)[^.]*\.|(^|\.)(n_averaged|num_updates|global_step|logit_scale)$/

/**
 * Sorts the tensors that a model has no use for: harmless ones come back, to be named; of others it cannot be known what the model
 * they belong to computes with them.
 *
 * @param unused names without wrappers
 * @param encoderOnly whether the decoder is left out anyway
 * @throws VideoMaeError `MODEL_UNSUPPORTED` naming those that may matter
 */
export function harmlessTensors(
  path: string,
  unused: readonly string[],
  { kind, encoderOnly }: { readonly kind: ModelKind; readonly encoderOnly: boolean },
): readonly string[] {
  const harmless = (name: string): boolean =>
    otherParts[kind].test(name) || besides.test(name) || (encoderOnly && /^decoder[._]/.test(name))
  const strange = unused.filter((name) => !harmless(name))
  if (strange.length === 0) return unused
  const token = strange.find((name) => /(^|\.)(cls_token|class_token|dist_token|pos_embed_class)$/.test(name))
  const shown = strange.slice(0, 8).join(', ')
  throw new VideoMaeError(
    `Expected only tensors that a VideoMAE has in ${path}, but it has ${strange.length} more, and a model that uses them would give other results: ${shown}${strange.length > 8 ? ', ...' : ''}.`,
    {
      code: 'MODEL_UNSUPPORTED',
      exit: 'data',
      hint:
        token === undefined
          ? 'If the model does not use them, leave them out when you convert the file (docs/from-python.md).'
          : `${token} belongs to models with a class token, which VideoMAE does not have. If it is a leftover, leave it out when you convert the file (docs/from-python.md).`,
    },
  )
}
