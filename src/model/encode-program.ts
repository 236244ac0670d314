import { requireCount } from '../core/counts.ts'
import { Graph, type Tensor } from '../graph/graph.ts'
import { patchify } from '../graph/operations/patches.ts'
import type { Program } from '../graph/program.ts'
import { clipShape, type ModelConfiguration, tokenGrid } from './configuration.ts'
import { encode, type FrameLayout } from './encoder.ts'
import { poolTokens } from './heads.ts'
import type { ModelKind } from './parameters.ts'
import { readTokens } from './readout.ts'

/** The model, and how many clips per run takes. */
export interface ClipOptions {
  /** The model. */
  readonly configuration: ModelConfiguration
  /** Clips per run. */
  readonly batch: number
  /** `uint8` (default): pixels, normalized inside. `float32`: already normalized. */
  readonly input?: 'uint8' | 'float32'
  /** Default `BTHWC`. */
  readonly layout?: FrameLayout
  /** Name of the program. */
  readonly name?: string
}

/** What a program returns of the tokens of an encoder. */
export interface EncodeProgramOptions extends ClipOptions {
  /** Which model the weights come from; decides which norms there are. Default `encoder`. */
  readonly kind?: ModelKind
  /** What `pooled` is of the tokens; see `readTokens`. Default `mean`. */
  readonly readout?: string
}

/**
 * Features. Input `frames`; outputs `tokens` [B, N, D] and `pooled` [B, D], with another readout than the mean [B, readoutWidth].
 *
 * Of a pretrained encoder: tokens behind `encoder.norm` (where the model has it) and their mean. Of a classifier with
 * mean pooling: tokens as the blocks leave them, and `fc_norm` of their mean, which is what its last layer reads. Other readouts
 * are of the tokens themselves.
 *
 * @throws VideoMaeError as `readTokens`
 */
export function buildEncodeProgram(options: EncodeProgramOptions): Program {
  const { kind = 'encoder', name = 'encode', readout = 'mean' } = options
  const { configuration } = options
  const graph = new Graph(name)
  const frames = clipInput(graph, options)
  const finalNorm = kind === 'classify' ? !configuration.useMeanPooling : configuration.encoderNorm
  const tokens = encode(configuration, frames, { finalNorm, layout: options.layout })
  const pooledByNorm = kind === 'classify' && configuration.useMeanPooling && readout === 'mean'
  const pooled = pooledByNorm
    ? poolTokens(configuration, tokens)
    : readTokens(tokens, tokenGrid(configuration), readout)
  return graph.build({ tokens, pooled })
}

/** The input `frames` as the options describe it. */
export function clipInput(
  graph: Graph,
  { configuration, batch, input = 'uint8', layout = 'BTHWC' }: ClipOptions,
): Tensor {
  requireCount('batch', batch)
  const [b, t, h, w, c] = clipShape(configuration, batch)
  return graph.input('frames', layout === 'BTHWC' ? [b, t, h, w, c] : [b, t, c, h, w], input)
}

/** How clips are cut into patches that are tokens themselves. */
export type PatchGeometry = Pick<ModelConfiguration, 'frames' | 'imageSize' | 'channels' | 'patch' | 'tubelet'>

/**
 * The patches of clips as tokens, without any network. Input `frames` uint8 [B, T, H, W, C]; outputs `tokens` [B, N, D], colors from
 * -1 to 1 in the order of `patchify`, D = tubelet * patch^2 * C, and `pooled` [B, readoutWidth].
 *
 * @throws VideoMaeError as `readTokens`
 */
export function buildPatchProgram(geometry: PatchGeometry, batch: number, readout = 'mean'): Program {
  requireCount('batch', batch)
  const { frames, imageSize, channels, patch, tubelet } = geometry
  const graph = new Graph('patches')
  const half = new Array<number>(channels).fill(0.5)
  const clips = graph.input('frames', [batch, frames, ...imageSize, channels], 'uint8')
  const tokens = patchify(clips, null, { patch, tubelet, mean: half, std: half, layout: 'BTHWC' })
  return graph.build({ tokens, pooled: readTokens(tokens, tokenGrid(geometry), readout) })
}
