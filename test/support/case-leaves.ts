/** Sizes of random cases, and the leaves that several operations have in common. */
import fc from 'fast-check'
import type { Tensor } from '../../src/graph/graph.ts'
import { elementCount } from '../../src/graph/program.ts'
import type { CaseBuilder } from './case-builder.ts'

export const int = (min: number, max: number) => fc.integer({ min, max })
export const batch = int(1, 3)
export const tokens = int(1, 12)
export const width = fc.oneof(int(1, 40), fc.constantFrom(16, 32, 64, 96, 130))
export const shape = fc.array(int(1, 7), { minLength: 1, maxLength: 4 })
/** Leading axes of a matrix product: [N], [B, N] or deeper. */
export const rows = fc.array(int(1, 9), { minLength: 1, maxLength: 3 })
export const zeros = fc.constantFrom(0, 0, 0, 0.5, 1)

export type Linear = { rows: number[]; inner: number; outer: number; bias: boolean; zeros: number }
export const linearSizes = { rows, inner: width, outer: width, bias: fc.boolean(), zeros }

export type Norm = { rows: number[]; width: number; epsilon: number; mean: number; zeros: number }
export const normSizes = {
  rows: fc.array(int(1, 5), { minLength: 1, maxLength: 3 }),
  width: fc.oneof(int(4, 40), fc.constantFrom(64, 192, 768)),
  epsilon: fc.constantFrom(1e-6, 1e-5, 1e-12),
  mean: fc.constantFrom(0, 0, 5),
  zeros,
}

/** Few tokens mostly; some beyond the tiles of 32, 64 and 128 that GPU kernels work in. */
const tokenCounts = fc.oneof(
  { weight: 4, arbitrary: int(1, 20) },
  { weight: 1, arbitrary: fc.constantFrom(33, 65, 130) },
)

export type Attention = {
  batch: number
  queries: number
  keys: number
  heads: number
  headWidth: number
  packing: 'qkv' | 'q, kv' | 'q, x'
  sharpness: number
}
export const attentionSizes = {
  batch: int(1, 2),
  queries: tokenCounts,
  keys: tokenCounts.map((n) => Math.max(2, n)),
  heads: int(1, 3),
  headWidth: fc.oneof(fc.constantFrom(8, 16, 32, 64), int(1, 24)),
  packing: fc.constantFrom('qkv', 'q, kv', 'q, x'),
}

/** q, k, v of unit variance times `sharpness` on q and k: scores have a standard deviation of its square. */
export function attentionLeaves(build: CaseBuilder, s: Attention): Tensor[] {
  const d = s.heads * s.headWidth
  const columns = (n: number, parts: readonly number[]): Float32Array =>
    Float32Array.from({ length: s.batch * n * parts.length * d }, (_, i) =>
      build.random.normal(0, parts[Math.floor(i / d) % parts.length]),
    )
  const { batch: b, queries: nq, keys: nk, sharpness: f } = s
  if (s.packing === 'qkv') return [build.leaf('qkv', [b, nk, 3 * d], columns(nk, [f, f, 1]))]
  const q = build.leaf('q', [b, nq, d], columns(nq, [f]))
  if (s.packing === 'q, x') return [q, build.leaf('x', [b, nk, d], columns(nk, [f]))]
  return [q, build.leaf('kv', [b, nk, 2 * d], columns(nk, [f, 1]))]
}

export type Prediction = { batch: number; tokens: number; values: number; weighted: boolean }
export const predictionSizes = { batch, tokens, values: width, weighted: fc.boolean() }

export function predictionLeaves(build: CaseBuilder, s: Prediction): readonly [Tensor, Tensor, Tensor | null] {
  const full = [s.batch, s.tokens, s.values]
  const weights = Float32Array.from({ length: s.batch * s.tokens }, (_, i) => (i === 0 ? 1 : build.random.integer(2)))
  return [
    build.float('prediction', full),
    build.float('target', full),
    s.weighted ? build.leaf('weight', [s.batch, s.tokens], weights) : null,
  ]
}

export type Logits = { batch: number; classes: number; scale: number; offset: number; soft: boolean; mass: number }
export const logitSizes = {
  batch: int(1, 5),
  classes: fc.oneof(int(2, 20), fc.constantFrom(101, 400)),
  scale: fc.constantFrom(0.1, 1, 10, 40),
  offset: fc.constantFrom(0, 0, 1000, -1000),
  soft: fc.boolean(),
  /** What a sample's targets sum to: formulas must not take it for 1. */
  mass: fc.constantFrom(1, 1, 0.6),
}

/** Targets: one class per sample, or a mixture of two with label smoothing. */
export function logitLeaves(build: CaseBuilder, s: Logits): readonly [Tensor, Tensor] {
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

export type Video = {
  batch: number
  grid: readonly number[]
  tubelet: number
  patch: number
  channels: number
  picked: number
  layout: 'BTHWC' | 'BTCHW'
  float: boolean
  normalize: boolean
}
export const videoSizes = {
  batch: int(1, 2),
  grid: fc.tuple(int(1, 3), int(1, 3), int(1, 3)),
  tubelet: int(1, 3),
  patch: fc.oneof(int(2, 5), fc.constantFrom(7, 8, 14, 16)),
  channels: fc.constantFrom(1, 3, 3),
  /** 0: no indices, all patches. */
  picked: int(0, 8),
  layout: fc.constantFrom('BTHWC' as const, 'BTCHW' as const),
  float: fc.boolean(),
  normalize: fc.boolean(),
}

export const videoShape = (s: Video): number[] => {
  const [t, h, w] = [s.grid[0] * s.tubelet, s.grid[1] * s.patch, s.grid[2] * s.patch]
  return s.layout === 'BTHWC' ? [s.batch, t, h, w, s.channels] : [s.batch, t, s.channels, h, w]
}

/** Frames of which a part is flat or nearly flat, as black bars and skies are: variance 0 must not become noise. */
export function contrastFrames(build: CaseBuilder, s: Video): Tensor {
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

export const tokenCount = (s: Video): number => s.grid[0] * s.grid[1] * s.grid[2]
