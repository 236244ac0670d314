import os from 'node:os'
import koffi from 'koffi'
import { VideoMaeError } from '../../../core/errors.ts'
import type { CacheDirectory } from '../../cache-directory.ts'
import type {
  Activity,
  CapturedGraph,
  Device,
  DeviceAddress,
  DeviceBuffer,
  DeviceDescription,
  DeviceEvent,
  HostBuffer,
  Kernel,
  KernelArgument,
  KernelSource,
  LaunchSize,
  MatmulOperands,
  MatmulShape,
  PreparedMatmul,
  Stream,
} from '../device.ts'
import { defineOptions, type KernelFile, readKernelFile } from '../kernel-files.ts'
import { formatMib } from '../memory-requirement.ts'
import type { CublasLtLibrary } from './cublaslt-library.ts'
import { type CudaFunction, type CudaLibrary, notReady, outOfMemory } from './cuda-library.ts'
import { describeDevice } from './describe.ts'
import type { KernelCompiler } from './kernel-compiler.ts'
import { type Algorithm, MatmulPlan, matmulWorkspaceBytes } from './matmul.ts'
import { MatmulChoices } from './matmul-choices.ts'
import { memoryAdvice } from './status.ts'

export interface DriverDeviceOptions {
  readonly cuda: CudaLibrary
  readonly cublasLt: CublasLtLibrary
  readonly compiler: KernelCompiler
  readonly cache: CacheDirectory
  /** Which GPU. Default 0. */
  readonly ordinal?: number
  /** Time the proposed algorithms of every product and keep the fastest; otherwise take the first. Default true. */
  readonly measureMatmuls?: boolean
}

/** Values of cuda.h. */
const dynamicSharedMemory = 8
const streamNonBlocking = 1
const eventWithoutTiming = 2
const captureThreadLocal = 1

interface LoadedKernel extends Kernel {
  readonly handle: bigint
  /** Dynamic shared memory the function has been allowed so far, bytes. */
  shared: number
}

/** A GPU behind the CUDA driver API. */
export class DriverDevice implements Device {
  readonly description: DeviceDescription
  readonly versions: string
  private readonly cuda: CudaLibrary
  private readonly cublasLt: CublasLtLibrary
  private readonly compiler: KernelCompiler
  private readonly choices: MatmulChoices
  private readonly measureMatmuls: boolean
  private readonly ordinal: number
  private readonly lightHandle: bigint
  private readonly modules = new Map<string, bigint>()
  private readonly kernels = new Map<string, LoadedKernel>()
  private readonly files = new Map<string, KernelFile>()
  private readonly leftovers = new Set<() => void>()
  private matmulWorkspace: DeviceBuffer | null = null
  private timing: { readonly stream: Stream; readonly start: DeviceEvent; readonly end: DeviceEvent } | null = null

  /** Throws `DEVICE_FAILED`. The context becomes current on the calling thread; use the device from there only. */
  constructor(options: DriverDeviceOptions) {
    const { cuda, cublasLt, compiler, cache, ordinal = 0, measureMatmuls = true } = options
    this.cuda = cuda
    this.cublasLt = cublasLt
    this.compiler = compiler
    this.measureMatmuls = measureMatmuls
    cuda.call('cuInit', 0)
    const count = cuda.integer('cuDeviceGetCount')
    if (ordinal >= count) {
      throw new VideoMaeError(`Expected a GPU number below ${count}, but received ${ordinal}.`, {
        code: 'ENGINE_UNAVAILABLE',
        exit: 'environment',
      })
    }
    this.ordinal = cuda.integer('cuDeviceGet', ordinal)
    this.description = describeDevice(cuda, this.ordinal)
    cuda.call('cuCtxSetCurrent', cuda.handle('cuDevicePrimaryCtxRetain', this.ordinal))
    this.lightHandle = cublasLt.handle('cublasLtCreate', 'the start of cuBLASLt')
    const driver = cuda.integer('cuDriverGetVersion')
    this.versions = `driver for CUDA ${Math.floor(driver / 1000)}.${Math.floor((driver % 1000) / 10)}, ${compiler.identity}, cuBLASLt ${cublasLt.version}`
    this.choices = new MatmulChoices(cache, this.description.name, cublasLt.version)
  }

  get doing(): (() => Activity) | null {
    return this.cuda.doing
  }

  set doing(activity: (() => Activity) | null) {
    this.cuda.doing = activity
  }

  freeMemory(): number {
    const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)]
    this.cuda.call('cuMemGetInfo_v2', free, total)
    return Number(free[0])
  }

  allocate(bytes: number, purpose: string): DeviceBuffer {
    const out = new BigUint64Array(1)
    const size = Math.max(256, bytes)
    const status = this.cuda.status('cuMemAlloc_v2', out, size)
    if (status === outOfMemory) {
      const there = `${formatMib(this.freeMemory())} free of ${formatMib(this.description.totalMemory)}`
      throw new VideoMaeError(
        `${this.description.name} has ${there}, but ${formatMib(size)} are needed for ${purpose}.`,
        { code: 'OUT_OF_MEMORY', exit: 'environment', hint: memoryAdvice },
      )
    }
    if (status !== 0) throw this.cuda.failure('cuMemAlloc_v2', status)
    const address = out[0]
    return { address, bytes: size, free: this.owned('cuMemFree_v2', address) }
  }

  allocateHost(bytes: number, purpose: string): HostBuffer {
    const size = Math.max(16, bytes)
    const out = new BigUint64Array(1)
    const status = this.cuda.status('cuMemHostAlloc', out, size, 0)
    if (status === outOfMemory) {
      const there = `${formatMib(os.freemem())} free of ${formatMib(os.totalmem())}`
      throw new VideoMaeError(
        `${formatMib(size)} of page-locked memory of the host are needed for ${purpose}, but the driver refuses them; the machine has ${there}.`,
        {
          code: 'OUT_OF_MEMORY',
          exit: 'environment',
          hint: 'Reduce the clips of one run (batch.perRun), give a container more memory, or raise its limit of locked memory (`ulimit -l`).',
        },
      )
    }
    if (status !== 0) throw this.cuda.failure('cuMemHostAlloc', status)
    const address = out[0]
    return { data: new Uint8Array(koffi.view(address, size)), address, free: this.owned('cuMemFreeHost', address) }
  }

  createStream(): Stream {
    const handle = this.cuda.handle('cuStreamCreate', streamNonBlocking)
    this.owned('cuStreamDestroy_v2', handle)
    return { handle }
  }

  createEvent(timed = false): DeviceEvent {
    const handle = this.cuda.handle('cuEventCreate', timed ? 0 : eventWithoutTiming)
    this.owned('cuEventDestroy_v2', handle)
    return { handle }
  }

  record(event: DeviceEvent, stream: Stream): void {
    this.cuda.call('cuEventRecord', event.handle, stream.handle)
  }

  wait(stream: Stream, event: DeviceEvent): void {
    this.cuda.call('cuStreamWaitEvent', stream.handle, event.handle, 0)
  }

  finished(event: DeviceEvent): boolean {
    const status = this.cuda.status('cuEventQuery', event.handle)
    if (status !== 0 && status !== notReady) throw this.cuda.failure('cuEventQuery', status)
    return status === 0
  }

  elapsedMilliseconds(from: DeviceEvent, to: DeviceEvent): number {
    const out = new Float32Array(1)
    this.cuda.call('cuEventElapsedTime', out, from.handle, to.handle)
    return out[0]
  }

  synchronize(stream: Stream): void {
    this.cuda.call('cuStreamSynchronize', stream.handle)
  }

  copyToDevice(to: DeviceAddress, from: HostBuffer, offset: number, bytes: number, stream: Stream): void {
    this.cuda.call('cuMemcpyHtoDAsync_v2', to, from.address + BigInt(offset), bytes, stream.handle)
  }

  copyToHost(to: HostBuffer, offset: number, from: DeviceAddress, bytes: number, stream: Stream): void {
    this.cuda.call('cuMemcpyDtoHAsync_v2', to.address + BigInt(offset), from, bytes, stream.handle)
  }

  copyOnDevice(to: DeviceAddress, from: DeviceAddress, bytes: number, stream: Stream): void {
    this.cuda.call('cuMemcpyDtoDAsync_v2', to, from, bytes, stream.handle)
  }

  fill(to: DeviceAddress, byte: number, bytes: number, stream: Stream): void {
    this.cuda.call('cuMemsetD8Async', to, byte, bytes, stream.handle)
  }

  kernel(source: KernelSource): Kernel {
    const defines = defineOptions(source.defines)
    const module = [source.file, ...defines].join(' ')
    const key = `${module}#${source.entry}`
    const known = this.kernels.get(key)
    if (known !== undefined) return known
    const handle = this.cuda.handle('cuModuleGetFunction', this.module(module, source.file, defines), source.entry)
    const kernel: LoadedKernel = { source, handle, shared: 48 << 10 }
    this.kernels.set(key, kernel)
    return kernel
  }

  private module(key: string, file: string, defines: readonly string[]): bigint {
    const known = this.modules.get(key)
    if (known !== undefined) return known
    let content = this.files.get(file)
    if (content === undefined) {
      content = readKernelFile(file)
      this.files.set(file, content)
    }
    const image = this.compiler.compile(content, this.description.architecture, defines)
    const handle = this.cuda.handle('cuModuleLoadData', image)
    this.modules.set(key, handle)
    this.owned('cuModuleUnload', handle)
    return handle
  }

  launch(kernel: Kernel, size: LaunchSize, values: readonly KernelArgument[], stream: Stream): void {
    const loaded = kernel as LoadedKernel
    if (size.shared > loaded.shared) {
      this.cuda.call('cuFuncSetAttribute', loaded.handle, dynamicSharedMemory, size.shared)
      loaded.shared = size.shared
    }
    // Every parameter in 8 bytes of its own, and behind them the pointers to them, as cuLaunchKernel wants it.
    const memory = Buffer.allocUnsafeSlow(Math.max(16, values.length * 16))
    const base = koffi.address(memory)
    for (const [i, value] of values.entries()) {
      if (value.kind === 'address') memory.writeBigUInt64LE(value.value, i * 8)
      else if (value.kind === 'u32') memory.writeUInt32LE(value.value, i * 8)
      else memory.writeFloatLE(value.value, i * 8)
      memory.writeBigUInt64LE(base + BigInt(i * 8), (values.length + i) * 8)
    }
    const pointers = memory.subarray(values.length * 8)
    const { grid, block, shared } = size
    this.cuda.call(
      ...(['cuLaunchKernel', loaded.handle, ...grid, block[0], block[1], 1] as const),
      ...[shared, stream.handle, pointers, 0n],
    )
  }

  supportsMatmul(shape: MatmulShape): boolean {
    if (this.choices.get(shape) !== null) return true
    const plan = new MatmulPlan(this.cublasLt, this.lightHandle, shape, 'the search for an algorithm')
    try {
      return plan.candidates(1).length > 0
    } finally {
      plan.free()
    }
  }

  matmul(shape: MatmulShape, operands: MatmulOperands, label: string): PreparedMatmul {
    this.matmulWorkspace ??= this.allocate(matmulWorkspaceBytes, 'the workspace of matrix products')
    const workspace = this.matmulWorkspace.address
    const plan = new MatmulPlan(this.cublasLt, this.lightHandle, shape, label)
    const algorithm = this.choices.get(shape) ?? this.choose(plan, operands, workspace, label)
    const matmul = plan.bind(operands, algorithm, workspace)
    this.leftovers.add(matmul.free)
    return { run: matmul.run, free: () => this.leftovers.delete(matmul.free) && matmul.free() }
  }

  /** The fastest of the proposed algorithms, by the median of a few runs over the actual operands. */
  private choose(plan: MatmulPlan, operands: MatmulOperands, workspace: bigint, label: string): Algorithm {
    const candidates = plan.candidates(this.measureMatmuls ? 8 : 1)
    if (candidates.length === 0) {
      const { rows, columns, inner } = plan.shape
      throw new VideoMaeError(
        `cuBLASLt has no algorithm for the product of ${label} ([${rows}, ${inner}] x [${inner}, ${columns}]).`,
        { code: 'PROGRAM_UNSUPPORTED', exit: 'environment' },
      )
    }
    const best = candidates.length === 1 ? candidates[0] : this.fastest(plan, operands, workspace, candidates)
    if (this.measureMatmuls) {
      this.choices.set(plan.shape, best)
      this.choices.save()
    }
    return best
  }

  private fastest(
    plan: MatmulPlan,
    operands: MatmulOperands,
    workspace: bigint,
    candidates: readonly Algorithm[],
  ): Algorithm {
    this.timing ??= { stream: this.createStream(), start: this.createEvent(true), end: this.createEvent(true) }
    const { stream, start, end } = this.timing
    let best: { readonly algorithm: Algorithm; readonly milliseconds: number } | null = null
    let refusal: unknown = null
    for (const algorithm of candidates) {
      const matmul = plan.bind(operands, algorithm, workspace)
      try {
        matmul.run(stream)
      } catch (error) {
        // The search proposes what the product itself may refuse; nothing has been started then.
        refusal = error
        continue
      }
      const times = Array.from({ length: 5 }, () => {
        this.record(start, stream)
        matmul.run(stream)
        this.record(end, stream)
        this.synchronize(stream)
        return this.elapsedMilliseconds(start, end)
      }).sort((a, b) => a - b)
      if (best === null || times[2] < best.milliseconds) best = { algorithm, milliseconds: times[2] }
    }
    if (best === null) throw refusal
    return best.algorithm
  }

  capture(stream: Stream, work: () => void): CapturedGraph {
    const { cuda } = this
    cuda.call('cuStreamBeginCapture_v2', stream.handle, captureThreadLocal)
    let failure: { readonly error: unknown } | null = null
    try {
      work()
    } catch (error) {
      failure = { error }
    }
    const out = new BigUint64Array(1)
    const status = cuda.status('cuStreamEndCapture', stream.handle, out)
    try {
      if (failure !== null) throw failure.error
      if (status !== 0) throw cuda.failure('cuStreamEndCapture', status)
      const executable = cuda.handle('cuGraphInstantiateWithFlags', out[0], 0n)
      return {
        launch: (on) => cuda.call('cuGraphLaunch', executable, on.handle),
        free: this.owned('cuGraphExecDestroy', executable),
      }
    } finally {
      // What has been captured, also by a capture that broke off.
      if (out[0] !== 0n) cuda.status('cuGraphDestroy', out[0])
    }
  }

  close(): void {
    for (const free of [...this.leftovers].reverse()) free()
    this.leftovers.clear()
    this.cublasLt.status('cublasLtDestroy', this.lightHandle)
    this.cuda.status('cuDevicePrimaryCtxRelease_v2', this.ordinal)
  }

  /** Frees once, here or in `close`; the status is ignored because a broken context refuses everything. */
  private owned(name: CudaFunction, handle: bigint): () => void {
    const free = (): void => {
      if (this.leftovers.delete(free)) this.cuda.status(name, handle)
    }
    this.leftovers.add(free)
    return free
  }
}
