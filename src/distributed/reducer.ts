import koffi from 'koffi'
import { VideoMaeError } from '../core/errors.ts'
import type { Attachment } from './communicator.ts'
import { MpiLibrary } from './mpi/library.ts'

/** Values in the memory of this process, as native code sees them. */
export interface NativeValues {
  readonly address: bigint
  readonly type: 'float32' | 'float64'
  readonly count: number
}

/** Sums over the ranks, from whichever thread the values are in. Collective; blocks the thread. */
export interface Reducer {
  /** Replaces every value by its sum over the ranks, piece by piece. */
  sum(pieces: readonly NativeValues[]): void
}

/**
 * Attaches the calling thread to the communication of this process. A call must not overlap with one of the communicator.
 *
 * @throws VideoMaeError `MPI_UNAVAILABLE`, `LAUNCHER_UNSUPPORTED` where ranks have NCCL alone
 */
export function openReducer(attachment: Attachment): Reducer {
  if (attachment.transport === 'self') return { sum: () => {} }
  if (attachment.transport === 'nccl') throw needsMpi()
  const library = new MpiLibrary(attachment.library)
  return {
    sum(pieces) {
      const { sums = new Int32Array(1) } = attachment
      Atomics.add(sums, 0, 1)
      try {
        library.arrive()
        for (const { address, type, count } of pieces) library.allReduce(address, type, count)
      } finally {
        Atomics.add(sums, 0, 1)
      }
    },
  }
}

/** Where an array is. The array has to stay alive, and its buffer in place, as long as that is used. */
export function valuesOf(array: Float32Array | Float64Array): NativeValues {
  const type = array instanceof Float32Array ? 'float32' : 'float64'
  return { address: koffi.address(array), type, count: array.length }
}

/** The error of an engine that has no reduction. */
export function reductionUnsupported(engine: string): VideoMaeError {
  return new VideoMaeError(
    `The engine ${engine} cannot train on several ranks, because it cannot sum gradients over ranks.`,
    {
      code: 'PROGRAM_UNSUPPORTED',
      exit: 'usage',
      hint: 'Use --engine native, or --engine reference for a comparison.',
    },
  )
}

/** The error of an engine on CPUs whose ranks were started without MPI. */
function needsMpi(): VideoMaeError {
  return new VideoMaeError(
    'Expected --engine cuda: torchrun, or a similar program, started the ranks without MPI, and NCCL works only on GPUs.',
    {
      code: 'LAUNCHER_UNSUPPORTED',
      exit: 'usage',
      hint: 'Add --engine cuda, or start with `mpirun` or `srun` to use an engine on CPUs.',
    },
  )
}
