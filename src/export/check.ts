import type { Engine } from '../engine/engine.ts'
import { buildEncodeProgram, type ModelConfiguration, type ModelKind, type ModelState } from '../model/index.ts'
import type { ExportInput } from './encoder.ts'

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
}

/** Runs an exported file with ONNX Runtime on clips and compares every output with the engine's. */
export async function checkExport(request: CheckRequest): Promise<ExportCheck> {
  const { configuration, kind, state, clips, engine } = request
  const { frames, imageSize, channels } = configuration
  const count = clips.length / (frames * imageSize[0] * imageSize[1] * channels)
  const program = buildEncodeProgram({ configuration, kind, batch: 1 })
  const session = await engine.open([program])
  const actual = await runFile(request, count)
  const differences: Record<string, number> = {}
  try {
    await session.writeState(state)
    for (let n = 0; n < count; n++) {
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
  return {
    engine: engine.name,
    clips: count,
    largestDifference: Math.max(...Object.values(differences)),
    differences,
  }
}

async function runFile(
  { file, configuration, input, clips }: CheckRequest,
  count: number,
): Promise<Record<string, Float32Array>> {
  const { InferenceSession, Tensor } = await import('onnxruntime-node')
  const {
    frames,
    imageSize: [height, width],
    channels,
  } = configuration
  const session = await InferenceSession.create(file)
  try {
    const tensor =
      input === 'uint8'
        ? new Tensor('uint8', clips, [count, frames, height, width, channels])
        : new Tensor('float32', pixelValues(configuration, clips), [count, frames, channels, height, width])
    const outputs = await session.run({ [session.inputNames[0]]: tensor })
    return Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, value.data as Float32Array]))
  } finally {
    await session.release()
  }
}

/** Normalised frames [n, T, C, H, W] of uint8 clips [n, T, H, W, C]. */
export function pixelValues(
  { imageSize: [height, width], channels, mean, std }: ModelConfiguration,
  clips: Uint8Array,
): Float32Array {
  const out = new Float32Array(clips.length)
  const plane = height * width
  for (let frame = 0; frame < clips.length; frame += plane * channels) {
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < plane; i++)
        out[frame + c * plane + i] = (clips[frame + i * channels + c] / 255 - mean[c]) / std[c]
    }
  }
  return out
}

function relativeDifference(actual: Float32Array, expected: Float32Array): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY
  let difference = 0
  let magnitude = 0
  for (let i = 0; i < expected.length; i++) {
    const d = Math.abs(actual[i] - expected[i])
    if (!(d <= difference)) difference = Number.isNaN(d) ? Number.POSITIVE_INFINITY : d
    magnitude = Math.max(magnitude, Math.abs(expected[i]))
  }
  return magnitude === 0 ? difference : difference / magnitude
}
