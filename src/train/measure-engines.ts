/** One small training step on every engine that can run here, to say which is the fastest. */
import { VideoMaeError } from '../core/errors.ts'
import { RandomStream } from '../core/random.ts'
import type { Engine, Precision, RunInputs } from '../engine/index.ts'
import type { Program } from '../graph/program.ts'
import { clipShape, resolveConfiguration, tokensPerClip } from '../model/configuration.ts'
import { initialize } from '../model/initialize.ts'
import { parameterShapes } from '../model/parameters.ts'
import { buildPretrainProgram } from '../model/pretrain.ts'

export interface EngineCandidate {
  readonly engine: Engine
  readonly precision: Precision
}

export interface EngineTime extends EngineCandidate {
  /** Median of the timed steps; null where the engine failed. */
  readonly milliseconds: number | null
  /** What failed. */
  readonly failure: string | null
}

/** A step of pretraining: programs, weights to start with, and inputs by step. */
export interface MeasuredStep {
  readonly programs: readonly Program[]
  readonly state: ReadonlyMap<string, Float32Array>
  readonly inputs: (step: number) => RunInputs
  readonly clips: number
}

/** ViT-Ti on clips of 112 pixels, four at once: small, with the proportions of larger models. */
export function smallStep(): MeasuredStep {
  const clips = 4
  const configuration = resolveConfiguration({
    imageSize: 112,
    encoder: { width: 192, depth: 12, heads: 3 },
    decoder: { width: 96, depth: 4, heads: 3 },
  })
  const total = tokensPerClip(configuration)
  const visible = Math.round(total / 10)
  const { programs } = buildPretrainProgram({
    ...{ configuration, batch: clips, visible },
    ...{ masked: total - visible, optimizer: {} },
  })
  const random = new RandomStream(1, 'measured step')
  const orders = Array.from({ length: clips }, () => random.permutation(total))
  const part = (from: number, to: number): Int32Array =>
    Int32Array.from(orders.flatMap((order) => [...order.subarray(from, to)].sort((a, b) => a - b)))
  const fixed = {
    frames: new Uint8Array(clipShape(configuration, clips).reduce((a, b) => a * b)).map(() => random.integer(256)),
    visible: part(0, visible),
    masked: part(visible, total),
    learningRate: Float32Array.of(1e-4),
    weightDecay: Float32Array.of(0.05),
  }
  return {
    ...{ programs, clips, state: initialize(parameterShapes(configuration, 'pretrain'), 1) },
    inputs: (step) => ({ ...fixed, step: Float32Array.of(step) }),
  }
}

export interface MeasureOptions {
  /** Steps that count. */
  readonly timed?: number
  /** Ends the measurement between two steps, with its reason. */
  readonly signal?: AbortSignal
}

/** Times every candidate; one that fails does not end the others. The first step of each compiles and is not counted. */
export async function measureEngines(
  candidates: readonly EngineCandidate[],
  step: MeasuredStep,
  options: MeasureOptions = {},
): Promise<readonly EngineTime[]> {
  const times: EngineTime[] = []
  for (const candidate of candidates) {
    try {
      times.push({ ...candidate, milliseconds: await medianTime(candidate, step, options), failure: null })
    } catch (error) {
      if (options.signal?.aborted === true) throw options.signal.reason
      if (error instanceof VideoMaeError && error.exit === 'interrupted') throw error
      times.push({ ...candidate, milliseconds: null, failure: (error as Error).message.split('\n')[0] })
    }
  }
  return times
}

async function medianTime(
  { engine, precision }: EngineCandidate,
  step: MeasuredStep,
  { timed = 3, signal }: MeasureOptions,
): Promise<number> {
  signal?.throwIfAborted()
  const session = await engine.open(step.programs, { precision })
  try {
    await session.writeState(step.state)
    const milliseconds: number[] = []
    for (let i = 0; i <= timed; i++) {
      signal?.throwIfAborted()
      const start = performance.now()
      await session.run(step.programs[0].name, step.inputs(i + 1))
      if (i > 0) milliseconds.push(performance.now() - start)
    }
    return milliseconds.sort((a, b) => a - b)[Math.floor(timed / 2)]
  } finally {
    await session.close()
  }
}

/** The candidate of the shortest step; null where all have failed. */
export function fastest(times: readonly EngineTime[]): EngineTime | null {
  const finished = times.filter(({ milliseconds }) => milliseconds !== null)
  finished.sort((a, b) => (a.milliseconds ?? 0) - (b.milliseconds ?? 0))
  return finished[0] ?? null
}
