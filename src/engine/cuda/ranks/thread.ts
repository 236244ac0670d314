/** Entry of the thread that NCCL is started, used and ended in, for what ranks tell each other besides gradients. */
import { parentPort, workerData } from 'node:worker_threads'
import { NcclLibrary } from '../../../distributed/nccl/nccl-library.ts'
import { serveCollectives } from '../../../distributed/serve-collectives.ts'
import type { EndRequest } from '../../../distributed/thread-protocol.ts'
import { CudaLibrary } from '../driver/cuda-library.ts'
import { findLibraries } from '../driver/find.ts'
import { NcclCollectives } from './nccl-collectives.ts'

/** What the thread starts with. */
export interface NcclStart {
  /** Path of the library. */
  readonly nccl: string
  /** Number of the GPU. */
  readonly device: number
  readonly id: Uint8Array
  readonly rank: number
  readonly size: number
}

if (parentPort === null) throw new Error('This file is the entry of a worker thread.')
const { nccl, device, id, rank, size, ending } = workerData as NcclStart & { readonly ending: EndRequest }

serveCollectives(parentPort, ending, () => {
  const library = new NcclLibrary(nccl)
  const cuda = new CudaLibrary(findLibraries().found.cuda?.path ?? 'libcuda.so.1')
  const collectives = new NcclCollectives({ cuda, library, device, id, rank, size })
  const { communicator } = collectives
  const version = `NCCL ${library.version}`
  return { collectives, started: { path: nccl, version, rank, size, onDevice: { communicator, device } } }
})
