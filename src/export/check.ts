import type { Engine } from '../engine/engine.ts'
import { loadRuntime } from '../engine/onnx/runtime.ts'
import type { ModelConfiguration } from '../model/configuration.ts'
import { buildEncodeProgram } from '../model/encode-program.ts'
import type { ModelState } from '../model/model-state.ts'
import type { ModelKind } from '../model/parameters.ts'
import { pixelValues } from '../model/pixel-values.ts'

/** What an exported file takes: frames as they are, or pixel values that the caller has normalized. */
export type ExportInput = 'uint8' | 'float32'

export interface ExportCheck {
  /** Engine the file was compared with. */
  readonly engine: string
  readonly clips: number
  /** Largest of the differences below. */
  readonly largestDifference: number
  /** Per output: largest difference divided by the output's largest magnitude. */
  readonly differences: Readonly<Record<string, number>>
}

export interface CheckRequest {
  readonly file: string
  readonly configuration: ModelConfiguration
  readonly kind: ModelKind
  readonly state: ModelState
  readonly input: ExportInput
  /** uint8 [n][T, H, W, 3] */
  readonly clips: Uint8Array
  readonly engine: Engine
  readonly signal?: AbortSignal
}

/**
 * Runs an exported file with ONNX Runtime on clips and compares every output with the engine's.
 *
 * @throws the signal's reason when aborted
 */
export async function checkExport(request: CheckRequest): Promise<ExportCheck> {
  const { configuration, kind, state, clips, engine, signal } = request
  const { frames, imageSize, channels } = configuration
  const count = clips.length / (frames * imageSize[0] * imageSize[1] * channels)
  const program = buildEncodeProgram({ configuration, kind, batch: 1 })
  const actual = await runFile(request)
  const session = await engine.open([program])
  const differences: Record<string, number> = {}
  try {
    await session.writeState(state)
    for (let n = 0; n < count; n++) {
      signal?.throwIfAborted()
      const one = new Uint8Array(clips.subarray((n * clips.length) / count, ((n + 1) * clips.length) / count)) // never a Buffer
      const expected = await session.run(program.name, { frames: one })
      for (const [name, values] of Object.entries(expected)) {
        const difference = relativeDifference(actual[name].subarray(n * values.length, (n + 1) * values.length), values)
        differences[name] = Math.max(differences[name] ?? 0, difference)
      }
    }
  } finally {
    await session.close()
  }
  signal?.throwIfAborted()
  return {
    engine: engine.name,
    clips: count,
    largestDifference: Math.max(...Object.values(differences)),
    differences,
  }
}

async function runFile({ file, configuration, input, clips }: CheckRequest): Promise<Record<string, Float32Array>> {
  const { create, Tensor } = await loadRuntime()
  const { type, data, shape } = clipTensor(configuration, input, clips)
  const session = await create(file)
  try {
    const outputs = await session.run({ [session.inputNames[0]]: new Tensor(type, data, shape) })
    return Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, value.data as Float32Array]))
  } finally {
    await session.release()
  }
}

/** Clips as the one input of an exported file: arguments of ONNX Runtime's `Tensor`. */
export interface ClipTensor {
  readonly type: ExportInput
  readonly data: Uint8Array | Float32Array
  readonly shape: readonly number[]
}

/** @param clips uint8 [n][T, H, W, C] */
export function clipTensor(configuration: ModelConfiguration, input: ExportInput, clips: Uint8Array): ClipTensor {
  const {
    frames,
    imageSize: [height, width],
    channels,
  } = configuration
  const count = clips.length / (frames * height * width * channels)
  // ONNX Runtime takes no Buffer.
  if (input === 'uint8')
    return { type: input, data: new Uint8Array(clips), shape: [count, frames, height, width, channels] }
  return { type: input, data: pixelValues(clips, configuration), shape: [count, frames, channels, height, width] }
}

/** Infinite where lengths differ or a value is no number. */
export function largestDifference(actual: Float32Array, expected: Float32Array): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY
  let largest = 0
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i] - expected[i])
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference
  }
  return largest
}

function relativeDifference(actual: Float32Array, expected: Float32Array): number {
  let magnitude = 0
  for (const value of expected) magnitude = Math.max(magnitude, Math.abs(value))
  return largestDifference(actual, expected) / (magnitude === 0 ? 1 : magnitude)
}
