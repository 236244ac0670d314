import { RandomStream } from '../../src/core/random.ts'
import type { EngineSession, InputValue, RunOutputs } from '../../src/engine/engine.ts'
import { referenceEngine } from '../../src/engine/reference/index.ts'
import type { Program } from '../../src/graph/program.ts'
import { createMask } from '../../src/mask/mask.ts'
import {
  clipShape,
  type ModelConfiguration,
  type ModelOptions,
  resolveConfiguration,
  tokenGrid,
} from '../../src/model/configuration.ts'
import type { ParameterShapes } from '../../src/model/model-state.ts'

/** A model small enough for the reference engine: 8 tokens of 24 values. */
export function tinyConfiguration(options: Partial<ModelOptions> = {}): ModelConfiguration {
  return resolveConfiguration({
    imageSize: 8,
    frames: 4,
    patch: 4,
    tubelet: 2,
    channels: 3,
    encoder: { width: 12, depth: 2, heads: 3, mlpRatio: 2 },
    decoder: { width: 8, depth: 2, heads: 2, mlpRatio: 2 },
    ...options,
  })
}

/** Values that hide nothing behind zeros: norms near 1, everything else around 0. */
export function shakenState(shapes: ParameterShapes, seed = 1): Map<string, Float32Array> {
  const state = new Map<string, Float32Array>()
  for (const [name, shape] of shapes) {
    const stream = new RandomStream(seed, 'test', name)
    const center = /norm\d?\.weight$/.test(name) ? 1 : 0
    state.set(
      name,
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => stream.normal(center, 0.2)),
    )
  }
  return state
}

/** Random pixels [B, T, H, W, C]. */
export function randomClips(configuration: ModelConfiguration, batch: number, seed = 1): Uint8Array {
  const stream = new RandomStream(seed, 'clips')
  return Uint8Array.from({ length: clipShape(configuration, batch).reduce((a, b) => a * b, 1) }, () =>
    stream.integer(256),
  )
}

/** Random masks of a batch: `visible` [B, V] and `masked` [B, M]. */
export function randomMasks(configuration: ModelConfiguration, batch: number, ratio = 0.75, seed = 1) {
  const masks = Array.from({ length: batch }, (_, b) =>
    createMask('random', tokenGrid(configuration), ratio, new RandomStream(seed, b, 'mask')),
  )
  return {
    visible: Int32Array.from(masks.flatMap((mask) => [...mask.visible])),
    masked: Int32Array.from(masks.flatMap((mask) => [...mask.masked])),
    counts: { visible: masks[0].visible.length, masked: masks[0].masked.length },
  }
}

/** Opens programs on the reference engine with a state. */
export async function openWith(
  programs: readonly Program[],
  state: ReadonlyMap<string, Float32Array>,
): Promise<EngineSession> {
  const session = await referenceEngine.open(programs)
  const known = new Set(programs.flatMap((p) => [...p.state, ...p.updateState].map(({ name }) => name)))
  await session.writeState(new Map([...state].filter(([name]) => known.has(name))))
  return session
}

/** One run of one program. */
export async function runOnce(
  program: Program,
  state: ReadonlyMap<string, Float32Array>,
  inputs: Readonly<Record<string, InputValue>>,
): Promise<RunOutputs> {
  const session = await openWith([program], state)
  try {
    return await session.run(program.name, inputs)
  } finally {
    await session.close()
  }
}

export const scalar = (value: number): Float32Array => Float32Array.of(value)

/** max |a - b| / max |b| */
export function relativeDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY
  let difference = 0
  let scale = 0
  for (let i = 0; i < a.length; i++) {
    difference = Math.max(difference, Math.abs(a[i] - b[i]))
    scale = Math.max(scale, Math.abs(b[i]))
  }
  return difference / scale
}
