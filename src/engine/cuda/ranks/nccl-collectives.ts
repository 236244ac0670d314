import koffi from 'koffi'
import type { ReduceOperation } from '../../../distributed/communicator.ts'
import type { NcclLibrary } from '../../../distributed/nccl/nccl-library.ts'
import type { Collectives } from '../../../distributed/serve-collectives.ts'
import { type CudaLibrary, notReady } from '../driver/cuda-library.ts'

/** Bytes that pass through the GPU at once. */
const pieceBytes = 8 << 20
/** Values of cuda.h. */
const streamNonBlocking = 1
const eventWithoutTiming = 2
/** Milliseconds between looks at a call that waits for other ranks, from the first to the longest. */
const firstPause = 0.05
const longestPause = 2

export interface NcclCollectivesOptions {
  readonly cuda: CudaLibrary
  readonly library: NcclLibrary
  /** Number of the GPU. */
  readonly device: number
  readonly id: Uint8Array
  readonly rank: number
  readonly size: number
}

/** Collective calls over values in the memory of this process: they go through a piece of the GPU's memory. */
export class NcclCollectives implements Collectives {
  readonly rank: number
  readonly size: number
  readonly communicator: bigint
  private readonly cuda: CudaLibrary
  private readonly library: NcclLibrary
  private readonly stream: bigint
  private readonly done: bigint
  /** On the device: what is sent, and what of all ranks comes back. */
  private readonly own: bigint
  private readonly all: bigint
  /** Page-locked memory of the host, and the same as an array. */
  private readonly host: bigint
  private readonly staging: Uint8Array
  private readonly nap = new Int32Array(new SharedArrayBuffer(4))

  /** Blocks until all ranks have called it. Throws `COMMUNICATION_FAILED`, `DEVICE_FAILED`, `OUT_OF_MEMORY`. */
  constructor({ cuda, library, device, id, rank, size }: NcclCollectivesOptions) {
    this.rank = rank
    this.size = size
    this.cuda = cuda
    this.library = library
    cuda.call('cuInit', 0)
    cuda.call('cuCtxSetCurrent', cuda.handle('cuDevicePrimaryCtxRetain', cuda.integer('cuDeviceGet', device)))
    this.communicator = library.join(id, size, rank)
    this.stream = cuda.handle('cuStreamCreate', streamNonBlocking)
    this.done = cuda.handle('cuEventCreate', eventWithoutTiming)
    // All of it now: memory must not be allocated while the engine captures a graph.
    this.own = cuda.handle('cuMemAlloc_v2', pieceBytes)
    this.all = cuda.handle('cuMemAlloc_v2', pieceBytes)
    this.host = cuda.handle('cuMemHostAlloc', pieceBytes, 0)
    this.staging = new Uint8Array(koffi.view(this.host, pieceBytes))
  }

  arrive(interrupted: () => boolean): boolean {
    const { cuda, library, own, communicator, stream } = this
    cuda.call('cuMemsetD8Async', own, 0, 4, stream)
    library.allReduce({ address: own, count: 1, type: 'float32', operation: 'sum' }, communicator, stream)
    cuda.call('cuEventRecord', this.done, stream)
    for (let pause = firstPause; ; pause = Math.min(longestPause, pause * 1.5)) {
      const status = cuda.status('cuEventQuery', this.done)
      if (status === 0) return true
      if (status !== notReady) throw cuda.failure('cuEventQuery', status)
      if (interrupted()) return false
      Atomics.wait(this.nap, 0, 0, pause)
    }
  }

  allReduce(values: Float32Array | Float64Array, operation: ReduceOperation): void {
    const { library, own, communicator, stream } = this
    const type = values instanceof Float32Array ? 'float32' : 'float64'
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    this.inPieces(bytes, pieceBytes, (part) => {
      this.send(part)
      const count = part.length / values.BYTES_PER_ELEMENT
      library.allReduce({ address: own, count, type, operation }, communicator, stream)
      part.set(this.receive(own, part.length))
    })
  }

  broadcast(bytes: Uint8Array, root: number): void {
    this.inPieces(bytes, pieceBytes, (part) => {
      this.send(part)
      this.library.broadcast(this.own, part.length, root, this.communicator, this.stream)
      part.set(this.receive(this.own, part.length))
    })
  }

  allGather(from: Uint8Array, to: Uint8Array): void {
    this.inPieces(from, Math.floor(pieceBytes / this.size), (part, first) => {
      this.send(part)
      this.library.allGather(this.own, this.all, part.length, this.communicator, this.stream)
      const all = this.receive(this.all, part.length * this.size)
      for (let rank = 0; rank < this.size; rank++)
        to.set(all.subarray(rank * part.length, (rank + 1) * part.length), rank * from.length + first)
    })
  }

  /** NCCL ends no process: ranks tell each other. */
  abort(): void {}

  finalize(): void {
    const { cuda } = this
    this.library.destroy(this.communicator)
    for (const memory of [this.own, this.all]) cuda.call('cuMemFree_v2', memory)
    cuda.call('cuMemFreeHost', this.host)
    cuda.call('cuEventDestroy_v2', this.done)
    cuda.call('cuStreamDestroy_v2', this.stream)
  }

  /** The pieces have a multiple of 8 bytes, except the last. */
  private inPieces(bytes: Uint8Array, most: number, work: (part: Uint8Array, first: number) => void): void {
    const piece = most - (most % 8)
    for (let first = 0; first < bytes.length; first += piece) work(bytes.subarray(first, first + piece), first)
  }

  private send(bytes: Uint8Array): void {
    this.staging.set(bytes)
    this.cuda.call('cuMemcpyHtoDAsync_v2', this.own, this.host, bytes.length, this.stream)
  }

  /** Waits for the stream. @returns bytes that are good until the next call */
  private receive(from: bigint, bytes: number): Uint8Array {
    this.cuda.call('cuMemcpyDtoHAsync_v2', this.host, from, bytes, this.stream)
    this.cuda.call('cuStreamSynchronize', this.stream)
    return this.staging.subarray(0, bytes)
  }
}
