import type { Tensor } from '../graph/graph.ts'
import { add } from '../graph/operations/elementwise.ts'
import { concat, gatherRows } from '../graph/operations/movement.ts'
import { dense, norm, transformerBlock } from './block.ts'
import { type ModelConfiguration, valuesPerPatch } from './configuration.ts'
import { positionConstant } from './encoder.ts'

/**
 * The decoder of pretraining (VideoMAE 3.3): encoded visible tokens -> pixels of the tokens in `masked`.
 *
 * Its input is the visible tokens followed by one mask token per token to predict, each with the decoder's own position;
 * the order is never undone. Under dual masking (VideoMAE V2, 3.2) `masked` holds the decoded tokens, which may include
 * visible ones. Only the mask tokens reach the output, so the last block computes only those.
 *
 * Parameters `encoder_to_decoder.weight` [E, D], `mask_token` [E], `decoder.blocks.*`, `decoder.norm`, `decoder.head`.
 *
 * @param encoded [B, V, D]
 * @param visible int32 [B, V]
 * @param masked int32 [B, M]
 * @returns [B, M, values per patch], aligned with `masked`
 */
export function decode(configuration: ModelConfiguration, encoded: Tensor, visible: Tensor, masked: Tensor): Tensor {
  const { graph } = encoded
  const { decoder: size, attentionBias, layerNormEpsilon: epsilon, headNormEpsilon } = configuration
  const table = positionConstant(configuration, size.width, encoded)
  const seen = add(dense(encoded, 'encoder_to_decoder', size.width, false), gatherRows(table, visible))
  const hidden = add(gatherRows(table, masked), graph.state('mask_token', [size.width]))
  let x = concat([seen, hidden], 1)
  const keep = { start: visible.shape[1], size: masked.shape[1] }
  for (let i = 0; i < size.depth; i++) {
    const last = i === size.depth - 1
    x = transformerBlock(x, `decoder.blocks.${i}`, { size, epsilon, attentionBias, keep: last ? keep : null })
  }
  return dense(norm(x, 'decoder.norm', headNormEpsilon), 'decoder.head', valuesPerPatch(configuration))
}
