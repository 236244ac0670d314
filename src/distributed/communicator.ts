/** Messages between the processes of one run. */

export type ReduceOperation = 'sum' | 'max' | 'min'

/** What survives `JSON.stringify`. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/**
 * The processes (ranks) of one run. Every method but `abort` is collective: all ranks call it, in the same order, with arrays of the
 * same length. One call at a time.
 *
 * Methods reject with `COMMUNICATION_FAILED` where the library reports an error.
 */
export interface Communicator {
  readonly transport: 'self' | 'mpi' | 'nccl'
  /** This process, from 0. */
  readonly rank: number
  /** Processes in all. */
  readonly size: number
  /** Name and version of the library, e.g. `Open MPI 4.1.4`. */
  readonly library: string
  /** How a worker thread of this process reaches the other ranks; see `openReducer`. */
  readonly attachment: Attachment
  /** Replaces every value by the sum, the largest or the smallest over the ranks, in place. Default: the sum. */
  allReduce(values: Float32Array | Float64Array, operation?: ReduceOperation): Promise<void>
  /** Replaces the bytes by those of the rank `root`, in place. Default: rank 0. */
  broadcast(bytes: Uint8Array, root?: number): Promise<void>
  /** The values of all ranks, by rank, on every rank. */
  gather(value: Json): Promise<Json[]>
  /** Resolves once all ranks have called it. */
  barrier(): Promise<void>
  /** Ends all ranks at once, this one too, with this exit code. Not collective. */
  abort(exitCode: number): Promise<never>
  /** Says who the other ranks are, for the error of a rank that waits for them in vain. */
  nameOthers(names: string): void
  /** Ends the communication. All ranks call it. Closing again is no error. */
  close(): Promise<void>
}

/** Plain data that a worker thread opens a `Reducer` with. */
export type Attachment =
  | { readonly transport: 'self' }
  | {
      readonly transport: 'mpi'
      readonly library: string
      readonly size: number
      /** Of one number, in shared memory: counts the beginnings and ends of sums. Absent: they are not counted. */
      readonly sums?: Int32Array
    }
  | {
      readonly transport: 'nccl'
      readonly library: string
      readonly size: number
      readonly sums: Int32Array
      /** Handle of NCCL, in this process, and the GPU that it belongs to. */
      readonly communicator: bigint
      readonly device: number
    }

/** The communicator of a run in one process. */
export function selfCommunicator(): Communicator {
  return {
    transport: 'self',
    rank: 0,
    size: 1,
    library: 'none',
    attachment: { transport: 'self' },
    allReduce: async () => {},
    broadcast: async () => {},
    gather: async (value) => [value],
    barrier: async () => {},
    nameOthers: () => {},
    abort: async (exitCode) => process.exit(exitCode),
    close: async () => {},
  }
}
