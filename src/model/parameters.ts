import { invalidArgument } from '../core/errors.ts'
import { Graph, type Tensor } from '../graph/graph.ts'
import { elementCount } from '../graph/program.ts'
import { clipShape, type ModelConfiguration } from './configuration.ts'
import { decode } from './decoder.ts'
import { encode } from './encoder.ts'
import { classifierFeatures, linearHead } from './heads.ts'
import type { ParameterShapes } from './model-state.ts'

/** Which model a set of parameters is: encoder and decoder, encoder and classifier, or the encoder alone. */
export const modelKinds = ['pretrain', 'classify', 'encoder'] as const
/** What a model is for: `pretrain`, `classify` or `encoder`. */
export type ModelKind = (typeof modelKinds)[number]

/**
 * Names and shapes of all parameters: what the model functions ask their graph for.
 *
 * @param classes of the classifier; null for a classifier without its last layer (features through `fc_norm`)
 */
export function parameterShapes(
  configuration: ModelConfiguration,
  kind: ModelKind,
  classes: number | null = null,
): ParameterShapes {
  const graph = new Graph('parameters')
  const frames = graph.input('frames', clipShape(configuration, 1), 'uint8')
  const token = (name: string) => graph.input(name, [1, 1], 'int32')
  if (kind === 'classify') {
    const features = classifierFeatures(configuration, frames)
    if (classes !== null) linearHead(features, classes)
  } else {
    const visible = token('visible')
    const encoded = encode(configuration, frames, { visible, finalNorm: configuration.encoderNorm })
    if (kind === 'pretrain') decode(configuration, encoded, visible, token('masked'))
  }
  return shapesOf(graph.states())
}

export function shapesOf(tensors: ReadonlyMap<string, Tensor>): ParameterShapes {
  return new Map([...tensors].map(([name, tensor]) => [name, tensor.shape]))
}

/**
 * Total number of parameters.
 *
 * @example
 * ```ts
 * import { parameterCount, parameterShapes, presetConfiguration } from 'videomae/model'
 *
 * parameterCount(parameterShapes(presetConfiguration('base'), 'encoder')) // => 86_227_200
 * ```
 */
export function parameterCount(shapes: ParameterShapes): number {
  let count = 0
  for (const shape of shapes.values()) count += elementCount(shape)
  return count
}

/**
 * Whether weight decay applies: to matrices only, not to biases, norms, scales and tokens (all of them one axis), nor to a
 * learned position table (VideoMAE's `no_weight_decay`).
 */
export function decays(name: string, shape: readonly number[]): boolean {
  return shape.length > 1 && name !== 'encoder.pos_embed'
}

/**
 * Layer-wise learning-rate decay for fine-tuning (Clark et al. 2020; BEiT): `decay^(depth + 1 - k)` with k = 0 for the
 * patch embedding and learned positions, i + 1 for block i, depth + 1 for everything behind the blocks.
 *
 * @returns the factor of a parameter by its name
 * @throws VideoMaeError `INVALID_ARGUMENT` for a decay outside of (0, 1]
 */
export function layerWiseScale(depth: number, decay: number): (name: string) => number {
  if (!(decay > 0 && decay <= 1)) throw invalidArgument('layer decay', 'a number above 0, at most 1', decay)
  return (name) => {
    const block = /^encoder\.blocks\.(\d+)\./.exec(name)
    const embeds = name.startsWith('encoder.patch_embed.') || name === 'encoder.pos_embed'
    const layer = embeds ? 0 : block !== null ? Number(block[1]) + 1 : depth + 1
    return decay ** (depth + 1 - layer)
  }
}
