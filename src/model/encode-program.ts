import { requireCount } from '../core/counts.ts'
import { Graph, type Tensor } from '../graph/graph.ts'
import { meanTokens } from '../graph/operations/reductions.ts'
import type { Program } from '../graph/program.ts'
import { clipShape, type ModelConfiguration } from './configuration.ts'
import { encode, type FrameLayout } from './encoder.ts'
import { poolTokens } from './heads.ts'
import type { ModelKind } from './parameters.ts'

export interface ClipOptions {
  readonly configuration: ModelConfiguration
  /** Clips per run. */
  readonly batch: number
  /** `uint8` (default): pixels, normalised inside. `float32`: already normalised. */
  readonly input?: 'uint8' | 'float32'
  /** Default `BTHWC`. */
  readonly layout?: FrameLayout
  readonly name?: string
}

export interface EncodeProgramOptions extends ClipOptions {
  /** Which model the weights come from; decides which norms there are. Default `encoder`. */
  readonly kind?: ModelKind
}

/**
 * Features. Input `frames`; outputs `tokens` [B, N, D] and `pooled` [B, D].
 *
 * Of a pretrained encoder: tokens behind `encoder.norm` (where the model has it) and their mean. Of a classifier with
 * mean pooling: tokens as the blocks leave them, and `fc_norm` of their mean, which is what its last layer reads.
 */
export function buildEncodeProgram({ kind = 'encoder', name = 'encode', ...options }: EncodeProgramOptions): Program {
  const { configuration } = options
  const graph = new Graph(name)
  const frames = clipInput(graph, options)
  const pooledByNorm = kind === 'classify' && configuration.useMeanPooling
  const finalNorm = kind === 'classify' ? !configuration.useMeanPooling : configuration.encoderNorm
  const tokens = encode(configuration, frames, { finalNorm, layout: options.layout })
  return graph.build({ tokens, pooled: pooledByNorm ? poolTokens(configuration, tokens) : meanTokens(tokens) })
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
