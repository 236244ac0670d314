/**
 * A masked autoencoder in miniature, written straight from the operations: tubelets, two encoder blocks over the visible
 * tokens, one decoder block with cross-attention to them, pixel targets, and a classifier on the pooled encoder. It uses
 * almost every operation, forward and backward, as the real model does, but needs nothing of it.
 */
import { RandomStream } from '../../src/core/random.ts'
import type { RunInputs } from '../../src/engine/engine.ts'
import { differentiate } from '../../src/graph/differentiate.ts'
import { Graph, type Tensor } from '../../src/graph/graph.ts'
import { attention } from '../../src/graph/operations/attention.ts'
import { add, gelu, scale, scaleSamples } from '../../src/graph/operations/elementwise.ts'
import { layerNorm } from '../../src/graph/operations/layer-norm.ts'
import { linear } from '../../src/graph/operations/linear.ts'
import { meanSquaredError, softmaxCrossEntropy } from '../../src/graph/operations/losses.ts'
import { concat, gatherRows, gatherTokens, reshape, slice } from '../../src/graph/operations/movement.ts'
import { patchify, patchTargets } from '../../src/graph/operations/patches.ts'
import { broadcastLeading, meanTokens } from '../../src/graph/operations/reductions.ts'
import type { AdamwEntry, Program, Update } from '../../src/graph/program.ts'

const batch = 2
const [frames, side, tubelet, patch] = [4, 24, 2, 8]
const patches = (frames / tubelet) * (side / patch) ** 2
const visible = 5
const masked = 9
const values = tubelet * patch * patch * 3
const [encoderWidth, decoderWidth, heads, classes] = [24, 16, 2, 5]

class Builder {
  readonly graph: Graph

  constructor(graph: Graph) {
    this.graph = graph
  }

  linear(x: Tensor, name: string, outer: number): Tensor {
    const inner = x.shape[x.shape.length - 1]
    return linear(x, this.graph.state(`${name}.weight`, [outer, inner]), this.graph.state(`${name}.bias`, [outer]))
  }

  norm(x: Tensor, name: string): Tensor {
    const width = x.shape[x.shape.length - 1]
    return layerNorm(x, this.graph.state(`${name}.gamma`, [width]), this.graph.state(`${name}.beta`, [width]), 1e-6)
  }

  /** q | k | v from one matrix; no bias on k, whose gradient would be nothing but rounding errors. */
  packed(x: Tensor, name: string, parts: readonly ('q' | 'k' | 'v')[]): Tensor {
    const width = x.shape[x.shape.length - 1]
    const bias = parts.map((part) =>
      part === 'k'
        ? this.graph.constant([width], new Float32Array(width))
        : this.graph.state(`${name}.${part}_bias`, [width]),
    )
    const weight = this.graph.state(`${name}.weight`, [parts.length * width, width])
    return linear(x, weight, concat(bias, 0))
  }

  selfAttention(x: Tensor, name: string): Tensor {
    const qkv = this.packed(x, `${name}.qkv`, ['q', 'k', 'v'])
    return this.linear(attention([qkv], heads), `${name}.out`, x.shape[2])
  }

  crossAttention(x: Tensor, memory: Tensor, name: string): Tensor {
    const q = this.packed(x, `${name}.q`, ['q'])
    const kv = this.packed(memory, `${name}.kv`, ['k', 'v'])
    return this.linear(attention([q, kv], heads), `${name}.out`, x.shape[2])
  }

  mlp(x: Tensor, name: string): Tensor {
    const width = x.shape[x.shape.length - 1]
    return this.linear(gelu(this.linear(x, `${name}.in`, 2 * width)), `${name}.out`, width)
  }
}

/** Loss and parameters on a new graph of the given name. */
function model(name: string): { readonly graph: Graph; readonly loss: Tensor; readonly logits: Tensor } {
  const graph = new Graph(name)
  const build = new Builder(graph)
  const video = graph.input('video', [batch, frames, side, side, 3], 'uint8')
  const seen = graph.input('visible', [batch, visible], 'int32')
  const hidden = graph.input('masked', [batch, masked], 'int32')
  const dropPath = graph.input('dropPath', [batch])
  const table = (width: number): Tensor => {
    const random = new RandomStream('position table', width)
    const numbers = Float32Array.from({ length: patches * width }, () => random.normal(0, 0.5))
    return graph.constant([patches, width], numbers)
  }

  const mean = [0.485, 0.456, 0.406]
  const std = [0.229, 0.224, 0.225]
  const pixels = patchify(video, null, { tubelet, patch, mean, std, layout: 'BTHWC' })
  let x = add(gatherTokens(build.linear(pixels, 'embed', encoderWidth), seen), gatherRows(table(encoderWidth), seen))
  for (const block of ['encoder.0', 'encoder.1']) {
    x = add(x, scaleSamples(build.selfAttention(build.norm(x, `${block}.norm1`), `${block}.attention`), dropPath))
    x = add(x, scaleSamples(build.mlp(build.norm(x, `${block}.norm2`), `${block}.mlp`), dropPath))
  }
  x = build.norm(x, 'encoder.norm')

  const positions = table(decoderWidth)
  const memory = add(build.linear(x, 'bridge', decoderWidth), gatherRows(positions, seen))
  const token = broadcastLeading(graph.state('mask_token', [decoderWidth]), [batch, masked])
  let y = concat([memory, add(token, gatherRows(positions, hidden))], 1)
  y = add(y, build.crossAttention(build.norm(y, 'decoder.norm1'), memory, 'decoder.attention'))
  y = add(y, build.mlp(build.norm(y, 'decoder.norm2'), 'decoder.mlp'))
  const prediction = build.linear(build.norm(slice(y, 1, visible, masked), 'decoder.norm'), 'head', values)
  const target = patchTargets(video, hidden, { tubelet, patch, normalize: true })
  const weight = graph.input('weight', [batch, masked])

  const logits = build.linear(meanTokens(x), 'classifier', classes)
  const targets = reshape(graph.input('targets', [batch * classes]), [batch, classes])
  const reconstruction = meanSquaredError(prediction, target, weight)
  return { graph, logits, loss: add(reconstruction, scale(softmaxCrossEntropy(logits, targets), 0.1)) }
}

/** `train`: one AdamW step and an average of the weights. `evaluate`: the same loss without updates. */
export function smallTransformer(): { readonly programs: readonly Program[]; readonly parameters: readonly string[] } {
  const { graph, loss, logits } = model('train')
  const parameters = [...graph.states()]
  const gradients = differentiate(
    loss,
    parameters.map(([, tensor]) => tensor),
  )
  const entries = parameters.map(([name, tensor], i): AdamwEntry => {
    for (const suffix of ['.m', '.v', '.average']) graph.state(name + suffix, tensor.shape)
    return {
      parameter: name,
      gradient: { tensor: gradients[i].id },
      firstMoment: `${name}.m`,
      secondMoment: `${name}.v`,
      decayScale: tensor.shape.length > 1 ? 1 : 0,
      learningRateScale: name.startsWith('encoder.0') ? 0.75 : 1,
    }
  })
  const updates: Update[] = [
    {
      kind: 'adamw',
      entries,
      learningRate: graph.input('learningRate', []).id,
      weightDecay: graph.input('weightDecay', []).id,
      step: graph.input('step', []).id,
      beta1: 0.9,
      beta2: 0.95,
      epsilon: 1e-8,
      gradientScale: 1,
      clipNorm: 0.2,
      gradientNormOutput: 'gradientNorm',
    },
    {
      kind: 'ema',
      entries: parameters.map(([name]) => ({ ema: `${name}.average`, source: name })),
      decay: graph.input('decay', []).id,
    },
  ]
  const other = model('evaluate')
  return {
    programs: [graph.build({ loss, logits }, updates), other.graph.build({ loss: other.loss, logits: other.logits })],
    parameters: parameters.map(([name]) => name),
  }
}

/** Random starting weights: norms at one, everything else small. */
export function startingWeights(program: Program, names: readonly string[]): Map<string, Float32Array> {
  const random = new RandomStream('starting weights')
  const shapes = new Map(program.state.map(({ name, tensor }) => [name, program.tensors[tensor].shape]))
  return new Map(
    names.map((name) => {
      const length = shapes.get(name)!.reduce((product, size) => product * size, 1)
      const mean = name.endsWith('.gamma') ? 1 : 0
      return [name, Float32Array.from({ length }, () => random.normal(mean, 0.1))]
    }),
  )
}

/** The data of one step: clips with a black bar, masks, targets mixed from two classes, one sample's path dropped. */
export function stepData(step: number): RunInputs {
  const random = new RandomStream('step data', step)
  const order = Array.from({ length: batch }, () => random.permutation(patches))
  const bar = side * 6 * 3
  return {
    video: Uint8Array.from({ length: batch * frames * side * side * 3 }, (_, i) =>
      i % (side * side * 3) < bar ? 16 : (i * 7 + random.integer(90)) % 256,
    ),
    visible: Int32Array.from(order.flatMap((row) => [...row.subarray(0, visible)].sort((a, b) => a - b))),
    masked: Int32Array.from(order.flatMap((row) => [...row.subarray(visible, visible + masked)])),
    dropPath: Float32Array.of(step % 2 === 0 ? 1.25 : 0, 1.25),
    weight: Float32Array.from({ length: batch * masked }, (_, i) => (i % 4 === 3 ? 0 : 1)),
    targets: Float32Array.from({ length: batch * classes }, (_, i) => (i % 3 === step % 3 ? 0.4 : 0.06)),
  }
}
