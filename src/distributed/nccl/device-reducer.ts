/** Sums over the ranks of values in the memory of GPUs. Where MPI has started the ranks, it carries what NCCL needs to begin. */
import koffi from 'koffi'
import type { Attachment } from '../communicator.ts'
import { MpiLibrary } from '../mpi/library.ts'
import { NcclLibrary, ncclUnavailable, uniqueIdBytes } from './nccl-library.ts'

export interface DeviceReducer {
  /** Version of NCCL. */
  readonly version: string
  /** Puts the sums of float32 values on a stream, in place. All ranks put the same sums in the same order. */
  sum(pieces: readonly { readonly address: bigint; readonly count: number }[], stream: bigint): void
  /** Called before and after a run that waits for other ranks: one that takes too long ends this rank. */
  waiting(): void
  close(): void
}

/**
 * Joins the ranks with the GPU that is current in the calling thread. Collective; a call must not overlap with one of the communicator.
 *
 * @param path of NCCL; null where it was not found
 * @returns null for a run in one process
 * @throws VideoMaeError `NCCL_UNAVAILABLE` on all ranks where one of them does not have it, `COMMUNICATION_FAILED`
 */
export function openDeviceReducer(attachment: Attachment, path: string | null): DeviceReducer | null {
  if (attachment.transport === 'self') return null
  const { sums = new Int32Array(1) } = attachment
  const waiting = (): void => {
    Atomics.add(sums, 0, 1)
  }
  if (attachment.transport === 'nccl') {
    const { library, communicator } = attachment
    const joined = new NcclLibrary(library)
    // The communicator belongs to the ranks, and is closed with them.
    return { ...working(joined, communicator), waiting, close: () => {} }
  }
  const mpi = new MpiLibrary(attachment.library)
  const { rank, size } = mpi
  const own = open(path)
  waiting()
  try {
    mpi.arrive()
    const present = Float64Array.of(own instanceof NcclLibrary ? 1 : 0)
    mpi.allReduce(koffi.address(present), 'float64', 1)
    if (!(own instanceof NcclLibrary)) throw own
    if (present[0] < size)
      throw ncclUnavailable(`Expected NCCL on all ${size} ranks, but ${size - present[0]} of them do not have it.`)
    const id = rank === 0 ? own.uniqueId() : new Uint8Array(uniqueIdBytes)
    mpi.broadcast(koffi.address(id), uniqueIdBytes, 0)
    const communicator = own.join(id, size, rank)
    return { ...working(own, communicator), waiting, close: () => own.destroy(communicator) }
  } finally {
    waiting()
  }
}

function working(library: NcclLibrary, communicator: bigint): Pick<DeviceReducer, 'version' | 'sum'> {
  return {
    version: library.version,
    sum: (pieces, stream) => library.sum(pieces, communicator, stream),
  }
}

/** The library, or why there is none: the other ranks have to know it before anybody throws. */
function open(path: string | null): NcclLibrary | Error {
  if (path === null)
    return ncclUnavailable('Expected NCCL (libnccl.so.2) for training on several GPUs, but it was not found.')
  try {
    return new NcclLibrary(path)
  } catch (error) {
    return error as Error
  }
}
