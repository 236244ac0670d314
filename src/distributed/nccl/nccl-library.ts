import koffi from 'koffi'
import { VideoMaeError } from '../../core/errors.ts'

/** `ncclDataType_t` and `ncclRedOp_t` of nccl.h. */
const types = { uint8: 1, float32: 7, float64: 8 } as const
const operations = { sum: 0, max: 2, min: 3 } as const

/** Bytes of an `ncclUniqueId`, which C functions take by value. */
export const uniqueIdBytes = 128

/** Values in the memory of a GPU, and what becomes of them. */
export interface DeviceValues {
  readonly address: bigint
  readonly count: number
  readonly type: 'float32' | 'float64'
  readonly operation: keyof typeof operations
}

type Call = (...values: readonly unknown[]) => number

/** The functions of NCCL that are used here. Device addresses and handles are numbers of 64 bits. */
export class NcclLibrary {
  readonly path: string
  private readonly functions: Readonly<Record<string, Call>>
  private readonly errorText: (status: number) => string

  /** @throws VideoMaeError `NCCL_UNAVAILABLE` where it does not load, or is no NCCL */
  constructor(path: string) {
    this.path = path
    try {
      const library = koffi.load(path)
      const uniqueId = koffi.struct({ internal: koffi.array('uint8', uniqueIdBytes) })
      const bind = (name: string, parameters: (string | typeof uniqueId)[]): Call =>
        library.func(name, 'int', parameters)
      this.functions = {
        ncclGetVersion: bind('ncclGetVersion', ['void *']),
        ncclGetUniqueId: bind('ncclGetUniqueId', ['void *']),
        ncclCommInitRank: bind('ncclCommInitRank', ['void *', 'int', uniqueId, 'int']),
        ncclAllReduce: bind('ncclAllReduce', ['uint64', 'uint64', 'size_t', 'int', 'int', 'uint64', 'uint64']),
        ncclBroadcast: bind('ncclBroadcast', ['uint64', 'uint64', 'size_t', 'int', 'int', 'uint64', 'uint64']),
        ncclAllGather: bind('ncclAllGather', ['uint64', 'uint64', 'size_t', 'int', 'uint64', 'uint64']),
        ncclGroupStart: bind('ncclGroupStart', []),
        ncclGroupEnd: bind('ncclGroupEnd', []),
        ncclCommDestroy: bind('ncclCommDestroy', ['uint64']),
      }
      this.errorText = library.func('ncclGetErrorString', 'str', ['int'])
    } catch (cause) {
      throw ncclUnavailable(`Expected NCCL in ${path} to load: ${(cause as Error).message}`, cause)
    }
  }

  /** e.g. `2.32.3`. */
  get version(): string {
    const out = new Int32Array(1)
    this.check('ncclGetVersion', out)
    const [value] = out
    // Before 2.9 the minor version had two digits less.
    const unit = value < 10_000 ? 1000 : 10_000
    return `${Math.floor(value / unit)}.${Math.floor((value % unit) / 100)}.${value % 100}`
  }

  /** What one rank makes and all join with. */
  uniqueId(): Uint8Array {
    const id = new Uint8Array(uniqueIdBytes)
    this.check('ncclGetUniqueId', id)
    return id
  }

  /** Blocks until all ranks have called it with the same id. @returns the communicator, of the GPU that is current */
  join(id: Uint8Array, size: number, rank: number): bigint {
    const out = new BigUint64Array(1)
    this.check('ncclCommInitRank', out, size, { internal: id }, rank)
    return out[0]
  }

  /** Puts the sums of float32 values over the ranks on a stream, in place, as one piece of work. */
  sum(
    pieces: readonly { readonly address: bigint; readonly count: number }[],
    communicator: bigint,
    stream: bigint,
  ): void {
    this.check('ncclGroupStart')
    for (const { address, count } of pieces)
      this.allReduce({ address, count, type: 'float32', operation: 'sum' }, communicator, stream)
    this.check('ncclGroupEnd')
  }

  /** Puts one reduction on a stream, in place. */
  allReduce({ address, count, type, operation }: DeviceValues, communicator: bigint, stream: bigint): void {
    const what = [count, types[type], operations[operation]]
    this.check('ncclAllReduce', address, address, ...what, communicator, stream)
  }

  /** Replaces bytes by those of the rank `root`. */
  broadcast(address: bigint, bytes: number, root: number, communicator: bigint, stream: bigint): void {
    this.check('ncclBroadcast', address, address, bytes, types.uint8, root, communicator, stream)
  }

  /** `bytes` of every rank, one after the other, to another address. */
  allGather(from: bigint, to: bigint, bytes: number, communicator: bigint, stream: bigint): void {
    this.check('ncclAllGather', from, to, bytes, types.uint8, communicator, stream)
  }

  destroy(communicator: bigint): void {
    this.check('ncclCommDestroy', communicator)
  }

  private check(name: string, ...values: readonly unknown[]): void {
    const status = this.functions[name](...values)
    if (status === 0) return
    throw new VideoMaeError(`${name} of ${this.path} failed: ${this.errorText(status)} (${status}).`, {
      code: 'COMMUNICATION_FAILED',
      exit: 'environment',
      hint: 'With NCCL_DEBUG=WARN, NCCL prints the reason. Each rank needs its own GPU. Continue with --resume.',
    })
  }
}

export function ncclUnavailable(message: string, cause?: unknown): VideoMaeError {
  return new VideoMaeError(message, {
    code: 'NCCL_UNAVAILABLE',
    exit: 'environment',
    hint: 'Install NCCL on every machine (package libnccl2, or pip install nvidia-nccl-cu13), or name its folder in VIDEOMAE_CUDA_LIBRARIES.',
    cause,
  })
}
