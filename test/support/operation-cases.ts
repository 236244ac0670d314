/**
 * Random programs, one arbitrary per operation: what every engine's every operation is checked with. A case feeds the
 * operation from inputs and states and returns everything that comes out of it. Gradient operations that need what
 * their forward operation kept (layer norm, attention) come after it in the same program.
 */
import fc from 'fast-check'
import type { Tensor } from '../../src/graph/graph.ts'
import { attentionGradient, attentionOperation } from '../../src/graph/operations/attention.ts'
import {
  absolute,
  add,
  gelu,
  geluGradient,
  multiply,
  scale,
  scaleSamples,
  squareRoot,
} from '../../src/graph/operations/elementwise.ts'
import type { OperationName } from '../../src/graph/operations/index.ts'
import { layerNormGradient, layerNormOperation } from '../../src/graph/operations/layer-norm.ts'
import { linear, linearInputGradient, linearParameterGradient } from '../../src/graph/operations/linear.ts'
import {
  meanSquaredError,
  meanSquaredErrorGradient,
  softmax,
  softmaxCrossEntropy,
  softmaxCrossEntropyGradient,
} from '../../src/graph/operations/losses.ts'
import {
  concat,
  gatherRows,
  gatherTokens,
  pad,
  reshape,
  scatterTokens,
  slice,
} from '../../src/graph/operations/movement.ts'
import { patchify, patchTargets } from '../../src/graph/operations/patches.ts'
import { broadcastLeading, meanTokens, meanTokensGradient, sumLeading } from '../../src/graph/operations/reductions.ts'
import { elementCount } from '../../src/graph/program.ts'
import { CaseBuilder, type OperationCase } from './case-builder.ts'
import {
  type Attention,
  attentionLeaves,
  attentionSizes,
  batch,
  contrastFrames,
  int,
  type Linear,
  type Logits,
  linearSizes,
  logitLeaves,
  logitSizes,
  type Norm,
  normSizes,
  type Prediction,
  predictionLeaves,
  predictionSizes,
  rows,
  shape,
  tokenCount,
  tokens,
  type Video,
  videoShape,
  videoSizes,
  width,
  zeros,
} from './case-leaves.ts'

export { type OperationCase, relativeError } from './case-builder.ts'

const seed = fc.integer({ min: 0, max: 0x7fffffff })

function define<T extends object>(
  operation: OperationName,
  sizes: { readonly [K in keyof T]: fc.Arbitrary<T[K]> },
  make: (build: CaseBuilder, sizes: T) => OperationCase,
): fc.Arbitrary<OperationCase> {
  return fc.tuple(seed, fc.record(sizes as { [K in keyof T]: fc.Arbitrary<T[K]> })).map(([seed, drawn]) => {
    const made = make(new CaseBuilder(operation, seed), drawn as T)
    return { ...made, label: `${made.label} with ${JSON.stringify(drawn)}, seed ${seed}` }
  })
}

const one = (build: CaseBuilder, y: Tensor, differentiable: readonly Tensor[], floor?: number): OperationCase =>
  build.finish({ y }, differentiable, floor)

type Shaped = { shape: number[] }
type Suffixed = Shaped & { keep: number; zeros: number }
const suffixed = { shape, keep: int(0, 4), zeros }
const suffixOf = (s: Suffixed): number[] => s.shape.slice(Math.max(0, s.shape.length - s.keep))

type Axis = Shaped & { axis: number; before: number; after: number }
const axis = { shape, axis: int(0, 3), before: int(0, 5), after: int(0, 5) }

export const operationCases: { readonly [K in OperationName]: fc.Arbitrary<OperationCase> } = {
  add: define<Suffixed>('add', suffixed, (build, s) => {
    const [a, b] = [build.float('a', s.shape), build.float('b', suffixOf(s), s)]
    return one(build, add(a, b), [a, b])
  }),

  multiply: define<Suffixed>('multiply', suffixed, (build, s) => {
    const [a, b] = [build.float('a', s.shape), build.float('b', suffixOf(s), s)]
    return one(build, multiply(a, b), [a, b])
  }),

  scale: define<Shaped & { factor: number }>(
    'scale',
    { shape, factor: fc.constantFrom(0, 1, -2.5, 1 / 3, 1e-4) },
    (build, s) => {
      const x = build.float('x', s.shape)
      return one(build, scale(x, s.factor), [x])
    },
  ),

  scaleSamples: define<Shaped & { zeros: number }>('scaleSamples', { shape, zeros }, (build, s) => {
    const x = build.float('x', s.shape)
    return one(build, scaleSamples(x, build.float('s', [s.shape[0]], s)), [x])
  }),

  sumLeading: define<Suffixed>('sumLeading', suffixed, (build, s) => {
    const x = build.float('x', s.shape, { mean: 1 })
    return one(build, sumLeading(x, Math.min(s.keep, s.shape.length - 1)), [x], 1e-2)
  }),

  broadcastLeading: define<Shaped & { leading: number[] }>('broadcastLeading', { shape, leading: rows }, (build, s) => {
    const x = build.float('x', s.shape.slice(1))
    return one(build, broadcastLeading(x, s.leading), [x])
  }),

  reshape: define<Shaped & { order: number }>('reshape', { shape, order: int(0, 3) }, (build, s) => {
    const x = build.float('x', s.shape)
    const count = elementCount(s.shape)
    const other = [[count], [1, count], [count, 1, 1], [...s.shape].reverse()][s.order]
    return one(build, reshape(x, other), [x])
  }),

  slice: define<Axis>('slice', axis, (build, s) => {
    const [along, shape] = [s.axis % s.shape.length, [...s.shape]]
    shape[along] += s.before + s.after
    const x = build.float('x', shape)
    return one(build, slice(x, along, s.before, s.shape[along]), [x])
  }),

  pad: define<Axis>('pad', axis, (build, s) => {
    const x = build.float('x', s.shape)
    return one(build, pad(x, s.axis % s.shape.length, s.before, s.after), [x])
  }),

  concat: define<Axis & { more: number[] }>(
    'concat',
    { ...axis, more: fc.array(int(1, 5), { minLength: 0, maxLength: 3 }) },
    (build, s) => {
      const along = s.axis % s.shape.length
      const parts = [s.shape[along], ...s.more].map((size, i) =>
        build.float(
          `x${i}`,
          s.shape.map((n, k) => (k === along ? size : n)),
        ),
      )
      return one(build, concat(parts, along), parts)
    },
  ),

  gatherTokens: define<{ batch: number; tokens: number; picked: number; width: number }>(
    'gatherTokens',
    { batch, tokens, picked: int(1, 15), width },
    (build, s) => {
      const x = build.float('x', [s.batch, s.tokens, s.width])
      return one(build, gatherTokens(x, build.indices('indices', s.batch, s.picked, s.tokens)), [x])
    },
  ),

  scatterTokens: define<{ batch: number; tokens: number; picked: number; width: number }>(
    'scatterTokens',
    { batch, tokens, picked: int(1, 15), width },
    (build, s) => {
      const y = build.float('x', [s.batch, s.picked, s.width])
      return one(build, scatterTokens(y, build.indices('indices', s.batch, s.picked, s.tokens), s.tokens), [y], 1e-2)
    },
  ),

  gatherRows: define<{ batch: number; tokens: number; picked: number; width: number; fixed: boolean }>(
    'gatherRows',
    { batch, tokens, picked: int(1, 15), width, fixed: fc.boolean() },
    (build, s) => {
      const values = Float32Array.from({ length: s.tokens * s.width }, () => build.random.normal())
      const shape = [s.tokens, s.width]
      const table = s.fixed ? build.graph.constant(shape, values) : build.leaf('table', shape, values)
      return one(build, gatherRows(table, build.indices('indices', s.batch, s.picked, s.tokens)), [])
    },
  ),

  meanTokens: define<{ batch: number; tokens: number; width: number }>(
    'meanTokens',
    { batch, tokens, width },
    (build, s) => {
      const x = build.float('x', [s.batch, s.tokens, s.width], { mean: 1 })
      return one(build, meanTokens(x), [x], 1e-2)
    },
  ),

  meanTokensGradient: define<{ batch: number; tokens: number; width: number }>(
    'meanTokensGradient',
    { batch, tokens, width },
    (build, s) => one(build, meanTokensGradient(build.float('dy', [s.batch, s.width]), s.tokens), []),
  ),

  linear: define<Linear>('linear', linearSizes, (build, s) => {
    const x = build.float('x', [...s.rows, s.inner])
    const w = build.float('w', [s.outer, s.inner], s)
    const b = s.bias ? build.float('b', [s.outer]) : null
    return one(build, linear(x, w, b), b === null ? [x, w] : [x, w, b], 0.1)
  }),

  linearInputGradient: define<Linear>('linearInputGradient', linearSizes, (build, s) => {
    const [dy, w] = [build.float('dy', [...s.rows, s.outer]), build.float('w', [s.outer, s.inner], s)]
    return one(build, linearInputGradient(dy, w), [dy, w], 0.1)
  }),

  linearParameterGradient: define<Linear>('linearParameterGradient', linearSizes, (build, s) => {
    const dy = build.float('dy', [...s.rows, s.outer], s)
    const { dw, db } = linearParameterGradient(dy, build.float('x', [...s.rows, s.inner]), s.bias)
    return build.finish(db === null ? { dw } : { dw, db }, [], 0.1)
  }),

  absolute: define<Shaped & { zeros: number }>('absolute', { shape, zeros }, (build, s) =>
    one(build, absolute(build.float('x', s.shape, s)), []),
  ),

  squareRoot: define<Shaped & { zeros: number; scale: number }>(
    'squareRoot',
    { shape, zeros, scale: fc.constantFrom(1e-6, 1, 1e6) },
    (build, s) => {
      const x = build.float('x', s.shape, s)
      return one(build, squareRoot(multiply(x, x)), [])
    },
  ),

  gelu: define<Shaped & { scale: number }>('gelu', { shape, scale: fc.constantFrom(0.01, 1, 4, 30) }, (build, s) => {
    const x = build.float('x', s.shape, s)
    return one(build, gelu(x), [x], 1e-2)
  }),

  geluGradient: define<Shaped & { scale: number }>(
    'geluGradient',
    { shape, scale: fc.constantFrom(0.01, 1, 4, 30) },
    (build, s) => one(build, geluGradient(build.float('dy', s.shape), build.float('x', s.shape, s)), [], 1e-2),
  ),

  layerNorm: define<Norm>('layerNorm', normSizes, (build, s) => {
    const x = build.float('x', [...s.rows, s.width], { mean: s.mean })
    const [gamma, beta] = [build.float('gamma', [s.width], s), build.float('beta', [s.width])]
    const outputs = build.graph.apply(layerNormOperation, [x, gamma, beta], { epsilon: s.epsilon })
    const [y, mean, inverse] = outputs
    return build.finish({ y, mean, inverse }, [x, gamma, beta], 1e-2)
  }),

  layerNormGradient: define<Norm>('layerNormGradient', normSizes, (build, s) => {
    const x = build.float('x', [...s.rows, s.width], { mean: s.mean })
    const [gamma, beta] = [build.float('gamma', [s.width], s), build.float('beta', [s.width])]
    const forward = build.graph.apply(layerNormOperation, [x, gamma, beta], { epsilon: s.epsilon })
    const dy = build.float('dy', [...s.rows, s.width])
    return build.finish({ ...layerNormGradient(dy, x, gamma, forward[1], forward[2]) }, [], 1e-2)
  }),

  attention: define<Attention & { statistics: boolean }>(
    'attention',
    {
      ...attentionSizes,
      keys: attentionSizes.queries,
      sharpness: fc.constantFrom(0.1, 1, 4),
      statistics: fc.boolean(),
    },
    (build, s) => {
      const leaves = attentionLeaves(build, s)
      const [o, logSumExp] = build.graph.apply(attentionOperation, leaves, { heads: s.heads })
      return build.finish(s.statistics ? { o, logSumExp } : { o }, leaves, 1e-2)
    },
  ),

  attentionGradient: define<Attention>(
    'attentionGradient',
    { ...attentionSizes, sharpness: fc.constantFrom(0.1, 1, 1.5) },
    (build, s) => {
      const leaves = attentionLeaves(build, s)
      const [o, logSumExp] = build.graph.apply(attentionOperation, leaves, { heads: s.heads })
      const gradients = attentionGradient(build.float('do', o.shape), o, logSumExp, leaves, s.heads)
      return build.finish({ o, ...Object.fromEntries(gradients.map((g, i) => [`d${i}`, g])) }, [], 1e-2)
    },
  ),

  meanSquaredError: define<Prediction>('meanSquaredError', predictionSizes, (build, s) => {
    const [prediction, target, weight] = predictionLeaves(build, s)
    return one(build, meanSquaredError(prediction, target, weight), [prediction])
  }),

  meanSquaredErrorGradient: define<Prediction>('meanSquaredErrorGradient', predictionSizes, (build, s) => {
    const [prediction, target, weight] = predictionLeaves(build, s)
    const dLoss = build.float('dLoss', [], { mean: 50 })
    return one(build, meanSquaredErrorGradient(dLoss, prediction, target, weight), [])
  }),

  softmax: define<{ rows: number[]; classes: number; scale: number; offset: number }>(
    'softmax',
    { rows: fc.array(int(1, 4), { maxLength: 2 }), ...logitSizes },
    (build, s) => {
      const x = build.float('x', [...s.rows, s.classes], { scale: s.scale, mean: s.offset })
      return one(build, softmax(x), [])
    },
  ),

  softmaxCrossEntropy: define<Logits>('softmaxCrossEntropy', logitSizes, (build, s) => {
    const [logits, targets] = logitLeaves(build, s)
    return one(build, softmaxCrossEntropy(logits, targets), [logits], 1e-1)
  }),

  softmaxCrossEntropyGradient: define<Logits>('softmaxCrossEntropyGradient', logitSizes, (build, s) => {
    const [logits, targets] = logitLeaves(build, s)
    const dLoss = build.float('dLoss', [], { mean: s.batch })
    return one(build, softmaxCrossEntropyGradient(dLoss, logits, targets), [], 1e-2)
  }),

  patchify: define<Video>('patchify', videoSizes, (build, s) => {
    const frames = s.float
      ? build.float('frames', videoShape(s))
      : build.bytes('frames', videoShape(s), () => build.random.integer(256))
    const indices = s.picked === 0 ? null : build.indices('indices', s.batch, s.picked, tokenCount(s))
    const [mean, std] = [[0.485, 0.456, 0.406].slice(0, s.channels), [0.229, 0.224, 0.225].slice(0, s.channels)]
    const { tubelet, patch, layout } = s
    return one(build, patchify(frames, indices, { tubelet, patch, mean, std, layout }), [])
  }),

  patchTargets: define<Video>('patchTargets', videoSizes, (build, s) => {
    const indices = build.indices('indices', s.batch, s.picked + 1, tokenCount(s))
    const { tubelet, patch, normalize } = s
    return one(build, patchTargets(contrastFrames(build, s), indices, { tubelet, patch, normalize }), [])
  }),
}
