import { createRequire } from 'node:module'
import type { InferenceSession, Tensor, TensorConstructor } from 'onnxruntime-common'
import { VideoMaeError } from '../../core/errors.ts'
import type { EngineOptions } from '../engine.ts'
import { disableTelemetry } from './telemetry.ts'

/** What we use of onnxruntime-node, which is loaded when it is first asked for and not before. */
export interface OnnxRuntime {
  readonly version: string
  readonly providers: readonly string[]
  readonly Tensor: TensorConstructor
  /** @param model bytes of a model, or its path (then external data next to it is found) */
  create(model: Uint8Array | string, options?: InferenceSession.SessionOptions): Promise<InferenceSession>
}

export type { InferenceSession, Tensor }

/**
 * The only way to ONNX Runtime in this package: it turns the library's telemetry off before it loads it.
 *
 * @throws VideoMaeError `ENGINE_UNAVAILABLE`
 */
export async function loadRuntime(): Promise<OnnxRuntime> {
  await disableTelemetry()
  try {
    const ort = await importRuntime()
    return {
      version: ort.env.versions.node ?? ort.env.versions.common,
      providers: ort.listSupportedBackends().map(({ name }) => name),
      Tensor: ort.Tensor,
      create: (model, options) =>
        // Two calls, since the declarations have one signature for each kind of model.
        typeof model === 'string'
          ? ort.InferenceSession.create(model, options)
          : ort.InferenceSession.create(model, options),
    }
  } catch (cause) {
    const [reason] = (cause instanceof Error ? cause.message : String(cause)).split('\n')
    throw new VideoMaeError(`Expected onnxruntime-node to load on ${process.platform}-${process.arch}: ${reason}.`, {
      code: 'ENGINE_UNAVAILABLE',
      exit: 'environment',
      hint: 'It has builds for Linux (x64, arm64; glibc), macOS (arm64) and Windows (x64, arm64). The package of videomae contains the build for the platform on which it was packed; on another platform, run `npm install --ignore-scripts onnxruntime-node@1.30` next to it. In a clone run `npm ci --ignore-scripts`.',
      cause,
    })
  }
}

/** The copy that comes with this package; where that is of another platform, the one installed next to the package. */
async function importRuntime(): Promise<typeof import('onnxruntime-node')> {
  try {
    return await import('onnxruntime-node')
  } catch (own) {
    // From the root of the package, past dist/node_modules.
    const require = createRequire(new URL('../../../package.json', import.meta.url))
    try {
      return require('onnxruntime-node')
    } catch {
      throw own
    }
  }
}

/**
 * Options of a session; what each was worth is written in dev/engine-onnx.md.
 *
 * - No memory pattern: it lays all of a run's memory out at once and holds a third more.
 * - No graph optimization: the lowering leaves nothing to fuse, and a training graph takes a second to look through.
 * - Threads spin for 50 microseconds only: across the gaps between nodes, not while other processes (decoders) need the
 *   core; and not at all once a run is over.
 */
export function sessionOptions(threads: number, options: EngineOptions): InferenceSession.SessionOptions {
  return {
    executionProviders: [options.device ?? 'cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'disabled',
    enableMemPattern: false,
    enableCpuMemArena: true,
    logSeverityLevel: 3,
    extra: {
      session: { set_denormal_as_zero: '1', force_spinning_stop: '1', 'intra_op.spin_duration_us': '50' },
    },
  }
}
