import { compiledEntry } from '../../core/entry.ts'
import { invalidArgument } from '../../core/errors.ts'
import type { Attachment } from '../../distributed/communicator.ts'
import { type DeviceReducer, openDeviceReducer } from '../../distributed/nccl/device-reducer.ts'
import type { Program } from '../../graph/program.ts'
import { requireThreads } from '../check.ts'
import type { Engine, EngineOptions } from '../engine.ts'
import { requirePrecision } from '../precision.ts'
import { threadedEngine } from '../worker/index.ts'
import { findNccl } from './driver/find.ts'
import { describeCuda, openDevice } from './driver/open.ts'
import { ownGpu } from './ranks/own-gpu.ts'
import { CudaSession } from './session.ts'

export { findLibraries, type LibrarySearch } from './driver/find.ts'
export { CudaSession, type CudaSessionOptions, type StepTime } from './session.ts'

/** Said where the engine can run. */
export const howToUse = 'It is fastest with `--set engine.precision=bfloat16`.'

/**
 * Opens programs on a GPU in the calling thread.
 *
 * @param options `device`: `cuda` or `cuda:<number>`; `precision`: `bfloat16` (products of bfloat16 with float32
 *   accumulation, float32 parameters and moments) or `float32` (no TF32), the default; `recompute`: see `RecomputeMode`.
 * @throws VideoMaeError `ENGINE_UNAVAILABLE`, `PROGRAM_UNSUPPORTED`, `OUT_OF_MEMORY`, `KERNEL_COMPILATION_FAILED`
 */
export function openCudaSession(programs: readonly Program[], options: EngineOptions = {}): CudaSession {
  const { recompute = 'none', ranks = { transport: 'self' } } = options
  const { precision, gpu } = requireCudaOptions(options)
  const opened = openDevice(gpuFor(ranks, gpu))
  let reducer: DeviceReducer | null = null
  try {
    reducer = openDeviceReducer(ranks, findNccl()?.path ?? null)
    const debug = process.env.VIDEOMAE_CUDA_DEBUG === '1'
    return new CudaSession(opened, programs, { precision, recompute, debug, reducer })
  } catch (error) {
    reducer?.close()
    opened.close()
    throw error
  }
}

/** The precision, and the number of the GPU where the device names one. */
function requireCudaOptions({ device = 'cuda', precision, threads }: EngineOptions) {
  requireThreads(threads)
  const match = /^cuda(?::(\d+))?$/.exec(device)
  if (match === null) throw invalidArgument('device', '`cuda` or `cuda:<number>`', device)
  return { precision: requirePrecision('cuda', precision), gpu: match.at(1) }
}

/** Number of the GPU: the one that was named, or that of this rank. */
function gpuFor(ranks: Attachment, named: string | undefined): number {
  if (ranks.transport === 'self') return Number(named ?? 0)
  if (ranks.transport === 'mpi') return named === undefined ? ownGpu() : Number(named)
  if (named === undefined || Number(named) === ranks.device) return ranks.device
  throw invalidArgument('device', `\`cuda\`: this rank has joined the others with GPU ${ranks.device}`, `cuda:${named}`)
}

/** The engine in the calling thread: opening a session and the first run of a program block its event loop, later runs do not. */
export const inThreadCudaEngine: Engine = {
  name: 'cuda',

  async probe() {
    try {
      return { available: true, detail: `${describeCuda()}. ${howToUse}` }
    } catch (error) {
      const { message, hint } = error as Error & { readonly hint?: string }
      return { available: false, detail: [message.split('\n')[0], hint].filter(Boolean).join(' ') }
    }
  },

  async requireOptions(options) {
    requireCudaOptions(options)
  },

  async open(programs, options) {
    return openCudaSession(programs, options)
  },
}

/** NVIDIA GPUs; sessions live in worker threads. */
export const cudaEngine: Engine = threadedEngine({
  engine: inThreadCudaEngine,
  module: () => compiledEntry(import.meta.url, './index'),
  exportName: 'inThreadCudaEngine',
})
