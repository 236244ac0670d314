import { availableParallelism } from 'node:os'
import { compiledEntry } from '../../core/entry.ts'
import { invalidArgument, VideoMaeError } from '../../core/errors.ts'
import { requireThreads } from '../check.ts'
import type { Engine, EngineOptions } from '../engine.ts'
import { requirePrecision } from '../precision.ts'
import { threadedEngine } from '../worker/host.ts'
import { requireProvider } from './providers.ts'
import { loadRuntime } from './runtime.ts'
import { OnnxSession } from './session.ts'

export { type LowerOptions, lowerProgram, stateInput } from './lowering/lower-program.ts'

/** The engine in the calling thread: a run blocks its event loop. For tests, and for the thread of `onnxEngine`. */
export const inThreadOnnxEngine: Engine = {
  name: 'onnx',

  async probe() {
    try {
      const { version } = await loadRuntime()
      return { available: true, detail: `onnxruntime-node ${version}` }
    } catch (error) {
      const { message, hint } = error as VideoMaeError
      return { available: false, detail: hint === undefined ? message : `${message} ${hint}` }
    }
  },

  async requireOptions({ device = 'cpu', precision, recompute = 'none', threads }) {
    requireThreads(threads)
    requirePrecision('onnx', precision)
    if (recompute !== 'none') {
      const why =
        'ONNX Runtime merges nodes that compute the same; use fewer clips per run (batch.perRun) to save memory.'
      throw invalidArgument('recompute', 'none', recompute, why)
    }
    const { providers } = await loadRuntime()
    if (providers.includes(device)) return
    throw new VideoMaeError(
      `Expected one of the execution providers ${providers.join(', ')} as device, but received ${device}.`,
      { code: 'ENGINE_UNAVAILABLE', exit: 'environment' },
    )
  },

  async open(programs, options: EngineOptions = {}) {
    const { threads = availableParallelism() } = options
    await inThreadOnnxEngine.requireOptions?.(options)
    const runtime = await loadRuntime()
    return OnnxSession.open(runtime, programs, threads, options)
  },
}

const threaded: Engine = threadedEngine({
  engine: inThreadOnnxEngine,
  module: () => compiledEntry(import.meta.url, './index'),
  exportName: 'inThreadOnnxEngine',
})

/**
 * ONNX Runtime on the CPU, or any other execution provider of the installed build (`device`), in a worker thread.
 * Results do not depend on anything but the program, its inputs and the number of threads.
 */
export const onnxEngine: Engine = {
  ...threaded,
  async requireOptions(options) {
    await inThreadOnnxEngine.requireOptions?.(options)
    await requireProvider(options.device ?? 'cpu')
  },
}
