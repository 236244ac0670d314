/**
 * Random programs, one arbitrary per operation: what every engine's every operation is checked with. A case feeds the
 * operation from inputs and states and returns everything that comes out of it. Gradient operations that need what
 * their forward operation kept (layer norm, attention) stand behind it in the same program.
 */
import fc from 'fast-check'
import type { Tensor } from '../../src/graph/graph.ts'
import { add } from '../../src/graph/operations/add.ts'
import { attentionOperation } from '../../src/graph/operations/attention.ts'
import { attentionGradient } from '../../src/graph/operations/attention-gradient.ts'
import { broadcastLeading } from '../../src/graph/operations/broadcast-leading.ts'
import { concat } from '../../src/graph/operations/concat.ts'
import { gatherRows } from '../../src/graph/operations/gather-rows.ts'
import { gatherTokens } from '../../src/graph/operations/gather-tokens.ts'
import { gelu } from '../../src/graph/operations/gelu.ts'
import { geluGradient } from '../../src/graph/operations/gelu-gradient.ts'
import type { OperationName } from '../../src/graph/operations/index.ts'
import { layerNormOperation } from '../../src/graph/operations/layer-norm.ts'
import { layerNormGradient } from '../../src/graph/operations/layer-norm-gradient.ts'
import { linear } from '../../src/graph/operations/linear.ts'
import { linearInputGradient } from '../../src/graph/operations/linear-input-gradient.ts'
import { linearParameterGradient } from '../../src/graph/operations/linear-parameter-gradient.ts'
import { meanSquaredError } from '../../src/graph/operations/mean-squared-error.ts'
import { meanSquaredErrorGradient } from '../../src/graph/operations/mean-squared-error-gradient.ts'
import { meanTokens } from '../../src/graph/operations/mean-tokens.ts'
import { meanTokensGradient } from '../../src/graph/operations/mean-tokens-gradient.ts'
import { multiply } from '../../src/graph/operations/multiply.ts'
import { pad } from '../../src/graph/operations/pad.ts'
import { patchTargets } from '../../src/graph/operations/patch-targets.ts'
import { patchify } from '../../src/graph/operations/patchify.ts'
import { reshape } from '../../src/graph/operations/reshape.ts'
import { scale } from '../../src/graph/operations/scale.ts'
import { scaleSamples } from '../../src/graph/operations/scale-samples.ts'
import { scatterTokens } from '../../src/graph/operations/scatter-tokens.ts'
import { slice } from '../../src/graph/operations/slice.ts'
import { softmax } from '../../src/graph/operations/softmax.ts'
import { softmaxCrossEntropy } from '../../src/graph/operations/softmax-cross-entropy.ts'
import { softmaxCrossEntropyGradient } from '../../src/graph/operations/softmax-cross-entropy-gradient.ts'
import { sumLeading } from '../../src/graph/operations/sum-leading.ts'
import { elementCount } from '../../src/graph/program.ts'
import { CaseBuilder, type OperationCase } from './case-builder.ts'

export { type OperationCase, relativeError } from './case-builder.ts'

const seed = fc.integer({ min: 0, max: 0x7fffffff })
const int = (min: number, max: number) => fc.integer({ min, max })
const batch = int(1, 3)
const tokens = int(1, 12)
const width = fc.oneof(int(1, 40), fc.constantFrom(16, 32, 64, 96, 130))
const shape = fc.array(int(1, 7), { minLength: 1, maxLength: 4 })
/** Leading axes of a matrix product: [N], [B, N] or deeper. */
const rows = fc.array(int(1, 9), { minLength: 1, maxLength: 3 })
const zeros = fc.constantFrom(0, 0, 0, 0.5, 1)

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

type Linear = { rows: number[]; inner: number; outer: number; bias: boolean; zeros: number }
const linearSizes = { rows, inner: width, outer: width, bias: fc.boolean(), zeros }

type Norm = { rows: number[]; width: number; epsilon: number; mean: number; zeros: number }
const normSizes = {
  rows: fc.array(int(1, 5), { minLength: 1, maxLength: 3 }),
  width: fc.oneof(int(4, 40), fc.constantFrom(64, 96, 192)),
  epsilon: fc.constantFrom(1e-6, 1e-5, 1e-12),
  mean: fc.constantFrom(0, 0, 5),
  zeros,
}

type Attention = {
  batch: number
  queries: number
  keys: number
  heads: number
  headWidth: number
  packed: boolean
  sharpness: number
}
const attentionSizes = {
  batch: int(1, 2),
  queries: int(1, 20),
  keys: int(2, 20),
  heads: int(1, 3),
  headWidth: fc.oneof(fc.constantFrom(8, 16, 32, 64), int(1, 24)),
  packed: fc.boolean(),
}

/** q, k, v of unit variance times `sharpness` on q and k: scores have a standard deviation of its square. */
function attentionLeaves(build: CaseBuilder, s: Attention): Tensor[] {
  const d = s.heads * s.headWidth
  const columns = (n: number, parts: readonly number[]): Float32Array =>
    Float32Array.from({ length: s.batch * n * parts.length * d }, (_, i) =>
      build.random.normal(0, parts[Math.floor(i / d) % parts.length]),
    )
  const { batch: b, queries: nq, keys: nk, sharpness: f } = s
  if (s.packed) return [build.leaf('qkv', [b, nk, 3 * d], columns(nk, [f, f, 1]))]
  return [build.leaf('q', [b, nq, d], columns(nq, [f])), build.leaf('kv', [b, nk, 2 * d], columns(nk, [f, 1]))]
}

type Prediction = { batch: number; tokens: number; values: number; weighted: boolean }
const predictionSizes = { batch, tokens, values: width, weighted: fc.boolean() }

function predictionLeaves(build: CaseBuilder, s: Prediction): readonly [Tensor, Tensor, Tensor | null] {
  const full = [s.batch, s.tokens, s.values]
  const weights = Float32Array.from({ length: s.batch * s.tokens }, (_, i) => (i === 0 ? 1 : build.random.integer(2)))
  return [
    build.float('prediction', full),
    build.float('target', full),
    s.weighted ? build.leaf('weight', [s.batch, s.tokens], weights) : null,
  ]
}

type Logits = { batch: number; classes: number; scale: number; offset: number; soft: boolean; mass: number }
const logitSizes = {
  batch: int(1, 5),
  classes: fc.oneof(int(2, 20), fc.constantFrom(101, 400)),
  scale: fc.constantFrom(0.1, 1, 10, 40),
  offset: fc.constantFrom(0, 0, 1000, -1000),
  soft: fc.boolean(),
  /** What a sample's targets sum to: formulas must not take it for 1. */
  mass: fc.constantFrom(1, 1, 0.6),
}

/** Targets: one class per sample, or a mixture of two with label smoothing. */
function logitLeaves(build: CaseBuilder, s: Logits): readonly [Tensor, Tensor] {
  const targets = new Float32Array(s.batch * s.classes)
  for (let i = 0; i < s.batch; i++) {
    if (s.soft) targets.fill((0.1 * s.mass) / s.classes, i * s.classes, (i + 1) * s.classes)
    const share = s.mass * (s.soft ? 0.9 : 1)
    const lambda = s.soft ? build.random.uniform() : 1
    targets[i * s.classes + build.random.integer(s.classes)] += share * lambda
    targets[i * s.classes + build.random.integer(s.classes)] += share * (1 - lambda)
  }
  const full = [s.batch, s.classes]
  return [build.float('logits', full, { scale: s.scale, mean: s.offset }), build.leaf('targets', full, targets)]
}

type Video = {
  batch: number
  grid: readonly number[]
  tubelet: number
  patch: number
  channels: number
  picked: number
  layout: 'BTHWC' | 'BTCHW'
  float: boolean
  normalise: boolean
}
const videoSizes = {
  batch: int(1, 2),
  grid: fc.tuple(int(1, 3), int(1, 3), int(1, 3)),
  tubelet: int(1, 3),
  patch: fc.oneof(int(2, 5), fc.constantFrom(7, 8, 14, 16)),
  channels: fc.constantFrom(1, 3, 3),
  /** 0: no indices, all patches. */
  picked: int(0, 8),
  layout: fc.constantFrom('BTHWC' as const, 'BTCHW' as const),
  float: fc.boolean(),
  normalise: fc.boolean(),
}

const videoShape = (s: Video): number[] => {
  const [t, h, w] = [s.grid[0] * s.tubelet, s.grid[1] * s.patch, s.grid[2] * s.patch]
  return s.layout === 'BTHWC' ? [s.batch, t, h, w, s.channels] : [s.batch, t, s.channels, h, w]
}

/** Frames of which a part is flat or nearly flat, as black bars and skies are: variance 0 must not become noise. */
function contrastFrames(build: CaseBuilder, s: Video): Tensor {
  const { random } = build
  const contrast = random.integer(4)
  const level = random.integer(255)
  const shape = videoShape({ ...s, layout: 'BTHWC' })
  const half = elementCount(shape) / 2
  return build.bytes('frames', shape, (i) => {
    if (contrast === 0 || i >= half) return random.integer(256)
    return contrast === 1 ? level : level + (random.uniform() < 0.2 ? 1 : 0)
  })
}

const tokenCount = (s: Video): number => s.grid[0] * s.grid[1] * s.grid[2]

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
    const dy = build.float('dy', [...s.rows, s.outer])
    return one(build, linearInputGradient(dy, build.float('w', [s.outer, s.inner], s)), [], 0.1)
  }),

  linearParameterGradient: define<Linear>('linearParameterGradient', linearSizes, (build, s) => {
    const dy = build.float('dy', [...s.rows, s.outer], s)
    const { dw, db } = linearParameterGradient(dy, build.float('x', [...s.rows, s.inner]), s.bias)
    return build.finish(db === null ? { dw } : { dw, db }, [], 0.1)
  }),

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
    { ...attentionSizes, keys: int(1, 20), sharpness: fc.constantFrom(0.1, 1, 4), statistics: fc.boolean() },
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

  softmax: define<Shaped & { scale: number; offset: number }>(
    'softmax',
    { shape, scale: logitSizes.scale, offset: logitSizes.offset },
    (build, s) => one(build, softmax(build.float('x', s.shape, { scale: s.scale, mean: s.offset })), []),
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
    const { tubelet, patch, normalise } = s
    return one(build, patchTargets(contrastFrames(build, s), indices, { tubelet, patch, normalise }), [])
  }),
}
