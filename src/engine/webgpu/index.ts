import { compiledEntry } from '../../core/entry.ts'
import { invalidArgument } from '../../core/errors.ts'
import { reductionUnsupported } from '../../distributed/reducer.ts'
import { requireThreads } from '../check.ts'
import type { Engine, EngineOptions } from '../engine.ts'
import { loadRuntime } from '../onnx/runtime.ts'
import { requirePrecision } from '../precision.ts'
import { threadedEngine } from '../worker/index.ts'
import { probeAdapter, requireFloat16 } from './adapter.ts'
import { requireOnAdapter } from './adapter-sum.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { WebgpuSession } from './session.ts'

/** The engine in the calling thread: a run blocks its event loop. For tests, and for the thread of `webgpuEngine`. */
export const inThreadWebgpuEngine: Engine = {
  name: 'webgpu',

  probe: () => probeAdapter(),

  async requireOptions({ device = 'webgpu', precision, recompute = 'none', threads, ranks }) {
    requireThreads(threads)
    if (ranks !== undefined && ranks.transport !== 'self' && ranks.size > 1) throw reductionUnsupported('webgpu')
    if (device !== 'webgpu') throw invalidArgument('device', 'webgpu', device, 'The system chooses the adapter.')
    requirePrecision('webgpu', precision)
    if (recompute !== 'none') {
      throw invalidArgument('recompute', 'none', recompute, 'Use fewer clips per run (batch.perRun) to save memory.')
    }
  },

  async open(programs, options: EngineOptions = {}) {
    await inThreadWebgpuEngine.requireOptions?.(options)
    const precision = requirePrecision('webgpu', options.precision)
    const runtime = await loadRuntime()
    await requireOnAdapter(runtime, precision)
    return WebgpuSession.open(runtime, programs, { precision })
  },
}

const threaded: Engine = threadedEngine({
  engine: inThreadWebgpuEngine,
  module: () => compiledEntry(import.meta.url, './index'),
  exportName: 'inThreadWebgpuEngine',
})

/** Any GPU that WebGPU reaches (Vulkan, Metal, Direct3D 12), through ONNX Runtime; sessions live in worker threads. */
export const webgpuEngine: Engine = oneAtATime({
  ...threaded,
  async requireOptions(options) {
    await inThreadWebgpuEngine.requireOptions?.(options)
    if (options.precision === 'float16') await requireFloat16()
  },
})
