import { compiledEntry } from '../../core/entry.ts'
import { invalidArgument, VideoMaeError } from '../../core/errors.ts'
import { requireThreads } from '../check.ts'
import type { Engine, EngineOptions } from '../engine.ts'
import { requirePrecision } from '../precision.ts'
import { threadedEngine } from '../worker/index.ts'
import { unknownOperations } from './evaluate.ts'
import { backendNames, installedBackends, loadTfjs, requireBackend } from './runtime.ts'
import { TfjsSession } from './session.ts'

/** The engine in the calling thread: a run blocks its event loop. For tests, and for the thread of `tfjsEngine`. */
export const inThreadTfjsEngine: Engine = {
  name: 'tfjs',

  async probe() {
    const installed = installedBackends()
    if (installed.length === 0) {
      const detail = `no backend of TensorFlow.js (${backendNames.join(', ')}) is installed next to videomae`
      return { available: false, detail }
    }
    const list = installed.map(({ name, package: from, version }) => `${name} (${from} ${version})`)
    return { available: true, detail: `TensorFlow.js with ${list.join(', ')}` }
  },

  /** Together with `device` this decides which backend computes, and in which version. */
  variant() {
    return installedBackends()
      .map(({ name, version }) => `${name} ${version}`)
      .join(', ')
  },

  async requireOptions({ device, precision, recompute = 'none', threads }) {
    requireThreads(threads)
    requirePrecision('tfjs', precision)
    if (recompute !== 'none') {
      throw invalidArgument('recompute', 'none', recompute, 'Use fewer clips per run (batch.perRun) to save memory.')
    }
    requireBackend(device)
  },

  async open(programs, options: EngineOptions = {}) {
    await inThreadTfjsEngine.requireOptions?.(options)
    for (const program of programs) {
      const unknown = unknownOperations(program)
      if (unknown.length === 0) continue
      const message = `The program ${program.name} uses operations that do not exist: ${unknown.join(', ')}.`
      throw new VideoMaeError(message, { code: 'PROGRAM_UNSUPPORTED' })
    }
    return new TfjsSession(await loadTfjs(options.device), programs, options.ranks)
  },
}

/** TensorFlow.js with a backend that the user has installed, in worker threads. */
export const tfjsEngine: Engine = threadedEngine({
  engine: inThreadTfjsEngine,
  module: () => compiledEntry(import.meta.url, './index'),
  exportName: 'inThreadTfjsEngine',
})
