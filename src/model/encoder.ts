import { invalidArgument } from '../core/errors.ts'
import type { Tensor } from '../graph/graph.ts'
import { add } from '../graph/operations/elementwise.ts'
import { gatherRows, gatherTokens, reshape, slice } from '../graph/operations/movement.ts'
import { patchify } from '../graph/operations/patches.ts'
import { broadcastLeading } from '../graph/operations/reductions.ts'
import { type BlockDropPath, dense, norm, type TokenRange, transformerBlock } from './block.ts'
import { type ModelConfiguration, tokensPerClip } from './configuration.ts'
import { positionTable } from './positions.ts'

export interface EncoderOptions {
  /** Int32 [B, V]: only these tokens are embedded and encoded. Null: all of them. */
  readonly visible?: Tensor | null
  /** Whether `encoder.norm` follows the blocks. */
  readonly finalNorm: boolean
  /** Only these tokens leave the last block; see `transformerBlock`. */
  readonly keep?: TokenRange | null
  /** Float32 [2 * depth, B]: factors of the attention (row 2i) and the MLP (row 2i + 1) branch of block i. */
  readonly dropPath?: Tensor | null
  /** How the frames are in memory. Default `BTHWC`. */
  readonly layout?: FrameLayout
}

/** Frames as [B, T, H, W, C] (pixels as decoded) or [B, T, C, H, W] (Hugging Face `pixel_values`). */
export type FrameLayout = 'BTHWC' | 'BTCHW'

/**
 * Cube embedding and positions (VideoMAE 3.2): uint8 or normalized float32 frames -> tokens [B, V or N, D].
 * Parameters `encoder.patch_embed.proj.weight` [D, C * tubelet * patch^2] (the Conv3d kernel, flattened) and `.bias`;
 * with learned positions `encoder.pos_embed`.
 */
export function embedPatches(
  configuration: ModelConfiguration,
  frames: Tensor,
  visible: Tensor | null,
  layout: FrameLayout = 'BTHWC',
): Tensor {
  const { patch, tubelet, mean, std, encoder } = configuration
  const patches = patchify(frames, visible, { patch, tubelet, mean, std, layout })
  const tokens = dense(patches, 'encoder.patch_embed.proj', encoder.width)
  if (configuration.positions === 'learned') return add(tokens, learnedPositions(configuration, tokens, visible))
  const table = positionConstant(configuration, encoder.width, frames)
  return add(tokens, visible === null ? table : gatherRows(table, visible))
}

/**
 * The learned table `encoder.pos_embed`: [N, D] where all tokens are embedded, else its rows of the visible ones, [B, V, D].
 * Rows are picked per sample, since picking them from a table that samples share has no gradient.
 */
function learnedPositions(configuration: ModelConfiguration, tokens: Tensor, visible: Tensor | null): Tensor {
  const table = tokens.graph.state('encoder.pos_embed', [tokensPerClip(configuration), configuration.encoder.width])
  return visible === null ? table : gatherTokens(broadcastLeading(table, [visible.shape[0]]), visible)
}

/** The fixed position table [N, width] as a constant of the graph that `next to` belongs to. */
export function positionConstant(configuration: ModelConfiguration, width: number, beside: Tensor): Tensor {
  return beside.graph.constant([tokensPerClip(configuration), width], positionTable(configuration, width))
}

/** The encoder: frames -> tokens [B, V or N or keep.size, D]. */
export function encode(configuration: ModelConfiguration, frames: Tensor, options: EncoderOptions): Tensor {
  const { encoder: size, layerNormEpsilon: epsilon } = configuration
  const { visible = null, finalNorm, keep = null, dropPath = null, layout } = options
  let x = embedPatches(configuration, frames, visible, layout)
  for (let i = 0; i < size.depth; i++) {
    x = transformerBlock(x, `encoder.blocks.${i}`, {
      size,
      epsilon,
      attentionBias: configuration.attentionBias,
      keep: i === size.depth - 1 ? keep : null,
      // The first block's rate is always 0 (see dropPathRates).
      dropPath: dropPath === null || i === 0 ? null : blockDropPath(dropPath, i, size.depth),
    })
  }
  return finalNorm ? norm(x, 'encoder.norm', epsilon) : x
}

function blockDropPath(factors: Tensor, block: number, depth: number): BlockDropPath {
  if (factors.shape.length !== 2 || factors.shape[0] !== 2 * depth) {
    throw invalidArgument('dropPath', `shape [${2 * depth}, B]`, `[${factors.shape.join(', ')}]`)
  }
  const row = (i: number) => reshape(slice(factors, 0, i, 1), [factors.shape[1]])
  return { attention: row(2 * block), mlp: row(2 * block + 1) }
}
