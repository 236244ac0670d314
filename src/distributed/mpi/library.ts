import koffi, { type LibraryHandle } from 'koffi'
import { VideoMaeError } from '../../core/errors.ts'
import type { ReduceOperation } from '../communicator.ts'
import { abiOf, type MpiAbi } from './abi.ts'

/** `MPI_SUCCESS`, and `MPI_THREAD_SERIALIZED`: threads take turns. The same in all libraries. */
const success = 0
const serialized = 2
const multiple = 3

/** The most values of one call: counts are C ints, and the sums of a large model may be more. */
const mostValues = 2 ** 28

/** Milliseconds between looks at a request, from the first wait to the longest. */
const firstPause = 0.05
const longestPause = 2
/** Looks without a pause: a rank that is a little late is there by then. */
const looksAtOnce = 200

type Call = (...values: readonly unknown[]) => unknown

/**
 * The functions of an MPI library that are used here, for one thread. Calls block; threads of a process take turns.
 *
 * Libraries wait actively: with all cores at work for other ranks that is a loss, so `arrive` waits with pauses until all ranks are
 * there, and only then the library is called.
 */
export class MpiLibrary {
  readonly path: string
  readonly abi: MpiAbi
  private readonly library: LibraryHandle
  private readonly bound = new Map<string, Call>()
  private readonly nap = new Int32Array(new SharedArrayBuffer(4))

  /** @throws VideoMaeError `MPI_UNAVAILABLE` where it does not load, or is no MPI library */
  constructor(path: string) {
    this.path = path
    try {
      // Open MPI 4 loads plugins that look for its symbols in the process.
      this.library = koffi.load(path, { global: true, lazy: true })
      this.library.func('MPI_Init_thread', 'int', ['void *', 'void *', 'int', 'void *'])
    } catch (cause) {
      throw unavailable(`Expected the MPI library ${path} to load: ${(cause as Error).message}`, cause)
    }
    this.abi = abiOf({ standardVersion: () => this.standardVersion(), symbol: (name) => this.symbol(name) })
  }

  /** First line of what the library says of itself, e.g. `Open MPI v4.1.4`. Works before `initialize`. */
  get version(): string {
    const text = Buffer.alloc(8192)
    const length = Buffer.alloc(4)
    this.check('MPI_Get_library_version', ['void *', 'void *'], text, length)
    const said = text.subarray(0, length.readInt32LE()).toString().replace(/\0.*/s, '')
    const openMpi = /^Open MPI v?([\w.]+)/.exec(said)
    const mpich = /^MPICH Version:\s*(\S+)/.exec(said)
    if (openMpi !== null) return `Open MPI ${openMpi[1]}`
    return mpich === null ? (said.split('\n')[0] as string).trim() : `MPICH ${mpich[1]}`
  }

  /**
   * Blocks until all ranks have called it.
   *
   * @throws VideoMaeError `MPI_UNAVAILABLE` where threads may not take turns
   */
  initialize(): void {
    const provided = Buffer.alloc(4)
    this.check('MPI_Init_thread', ['void *', 'void *', 'int', 'void *'], null, null, multiple, provided)
    if (provided.readInt32LE() < serialized)
      throw unavailable(
        `Expected an MPI library that several threads can use one after the other, but ${this.path} was built for one thread.`,
      )
    this.check('MPI_Comm_set_errhandler', [this.abi.handle, this.abi.handle], this.abi.world, this.abi.errorsReturn)
  }

  get rank(): number {
    return this.number('MPI_Comm_rank')
  }

  get size(): number {
    return this.number('MPI_Comm_size')
  }

  /** Replaces `count` values at an address by what they are over all ranks. */
  allReduce(address: bigint, type: 'float32' | 'float64', count: number, operation: ReduceOperation = 'sum'): void {
    const { handle, inPlace, types, operations, world } = this.abi
    const parameters = ['uint64', 'uint64', 'int', handle, handle, handle]
    const bytes = type === 'float32' ? 4 : 8
    for (let first = 0; first < count; first += mostValues) {
      const part = Math.min(mostValues, count - first)
      const at = address + BigInt(first * bytes)
      this.check('MPI_Allreduce', parameters, inPlace, at, part, types[type], operations[operation], world)
    }
  }

  broadcast(address: bigint, bytes: number, root: number): void {
    const { handle, types, world } = this.abi
    for (let first = 0; first < bytes; first += mostValues) {
      const part = Math.min(mostValues, bytes - first)
      const parameters = ['uint64', 'int', handle, 'int', handle]
      this.check('MPI_Bcast', parameters, address + BigInt(first), part, types.byte, root, world)
    }
  }

  /** `bytes` of every rank, one behind the other, into `to`. */
  allGather(from: Uint8Array, to: Uint8Array): void {
    const { handle, types, world } = this.abi
    const parameters = ['uint64', 'int', handle, 'uint64', 'int', handle, handle]
    const [source, target] = [koffi.address(from), koffi.address(to)]
    this.check('MPI_Allgather', parameters, source, from.length, types.byte, target, from.length, types.byte, world)
  }

  /**
   * Waits until all ranks have called it.
   *
   * @param interrupted looked at between pauses; the wait ends where it is true
   * @returns whether all are there
   */
  arrive(interrupted: () => boolean = () => false): boolean {
    const request = Buffer.alloc(8)
    const arrived = Buffer.alloc(4)
    this.check('MPI_Ibarrier', [this.abi.handle, 'void *'], this.abi.world, request)
    let pause = firstPause
    for (let looks = 0; ; looks++) {
      this.check('MPI_Test', ['void *', 'void *', 'uint64'], request, arrived, this.abi.statusIgnore)
      if (arrived.readInt32LE() !== 0) return true
      if (looks < looksAtOnce) continue
      if (interrupted()) return false
      Atomics.wait(this.nap, 0, 0, pause)
      pause = Math.min(longestPause, pause * 1.5)
    }
  }

  /** Ends all ranks. Most libraries do not return from it. */
  abort(exitCode: number): void {
    this.call('MPI_Abort', [this.abi.handle, 'int'], this.abi.world, exitCode)
  }

  finalize(): void {
    this.check('MPI_Finalize', [])
  }

  private standardVersion(): number | null {
    const [major, minor] = [Buffer.alloc(4), Buffer.alloc(4)]
    try {
      const call = this.library.func('MPI_Abi_get_version', 'int', ['void *', 'void *'])
      return call(major, minor) === success ? major.readInt32LE() : null
    } catch {
      return null
    }
  }

  private symbol(name: string): bigint | null {
    try {
      return koffi.address(this.library.symbol(name, 'char'))
    } catch {
      return null
    }
  }

  private number(name: string): number {
    const value = Buffer.alloc(4)
    this.check(name, [this.abi.handle, 'void *'], this.abi.world, value)
    return value.readInt32LE()
  }

  private call(name: string, parameters: readonly string[], ...values: readonly unknown[]): number {
    let bound = this.bound.get(name)
    if (bound === undefined) {
      bound = this.library.func(name, 'int', [...parameters])
      this.bound.set(name, bound)
    }
    return Number(bound(...values))
  }

  private check(name: string, parameters: readonly string[], ...values: readonly unknown[]): void {
    const result = this.call(name, parameters, ...values)
    if (result === success) return
    throw new VideoMaeError(`${name} of ${this.path} failed: ${this.describe(result)}`, {
      code: 'COMMUNICATION_FAILED',
      exit: 'environment',
      hint: 'Check the other ranks and the network between them, then start again with --resume.',
    })
  }

  private describe(code: number): string {
    const text = Buffer.alloc(1024)
    const length = Buffer.alloc(4)
    const known = this.call('MPI_Error_string', ['int', 'void *', 'void *'], code, text, length) === success
    return known ? text.subarray(0, length.readInt32LE()).toString() : `error ${code}`
  }
}

function unavailable(message: string, cause?: unknown): VideoMaeError {
  return new VideoMaeError(message, {
    code: 'MPI_UNAVAILABLE',
    exit: 'environment',
    hint: 'Install the MPI that starts the run (Debian and Ubuntu: openmpi-bin or mpich), or name its library in VIDEOMAE_MPI. `videomae doctor` lists what is installed.',
    cause,
  })
}
