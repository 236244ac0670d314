import type { OnnxValue } from '../../format/onnx.ts'
import type { InferenceSession } from '../onnx/runtime.ts'

/** `cpu` computes the same graphs without a GPU, for tests. */
export type Provider = 'webgpu' | 'cpu'

/**
 * Options of a session on the device.
 *
 * @param resident outputs that stay there
 */
export function webgpuSessionOptions(
  provider: Provider,
  resident: ReadonlySet<string>,
  outputs: readonly OnnxValue[],
): InferenceSession.SessionOptions {
  const locations = outputs.map(({ name }) => [name, resident.has(name) ? 'gpu-buffer' : 'cpu'] as const)
  return {
    executionProviders: [provider],
    // What runs on the CPU is cutting patches out of frames; threads that wait would take the cores of the decoders.
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'disabled',
    enableMemPattern: false,
    logSeverityLevel: 4,
    preferredOutputLocation: provider === 'cpu' ? undefined : Object.fromEntries(locations),
  }
}
