import koffi from 'koffi'
import type { Activity } from '../device.ts'
import { bindLibrary, type StatusFunction } from './bind.ts'
import { deviceError } from './status.ts'

const signatures = {
  cuInit: ['uint'],
  cuDriverGetVersion: ['void *'],
  cuDeviceGetCount: ['void *'],
  cuDeviceGet: ['void *', 'int'],
  cuDeviceGetName: ['void *', 'int', 'int'],
  cuDeviceTotalMem_v2: ['void *', 'int'],
  cuDeviceGetAttribute: ['void *', 'int', 'int'],
  cuDevicePrimaryCtxRetain: ['void *', 'int'],
  cuDevicePrimaryCtxRelease_v2: ['int'],
  cuCtxSetCurrent: ['uint64_t'],
  cuMemGetInfo_v2: ['void *', 'void *'],
  cuMemAlloc_v2: ['void *', 'size_t'],
  cuMemFree_v2: ['uint64_t'],
  cuMemHostAlloc: ['void *', 'size_t', 'uint'],
  cuMemFreeHost: ['uint64_t'],
  cuMemcpyHtoDAsync_v2: ['uint64_t', 'uint64_t', 'size_t', 'uint64_t'],
  cuMemcpyDtoHAsync_v2: ['uint64_t', 'uint64_t', 'size_t', 'uint64_t'],
  cuMemcpyDtoDAsync_v2: ['uint64_t', 'uint64_t', 'size_t', 'uint64_t'],
  cuMemsetD8Async: ['uint64_t', 'uint8_t', 'size_t', 'uint64_t'],
  cuModuleLoadData: ['void *', 'void *'],
  cuModuleUnload: ['uint64_t'],
  cuModuleGetFunction: ['void *', 'uint64_t', 'str'],
  cuFuncSetAttribute: ['uint64_t', 'int', 'int'],
  cuFuncGetAttribute: ['void *', 'int', 'uint64_t'],
  cuLaunchKernel: [
    'uint64_t',
    ...['uint', 'uint', 'uint', 'uint', 'uint', 'uint'],
    'uint',
    'uint64_t',
    'void *',
    'uint64_t',
  ],
  cuStreamCreate: ['void *', 'uint'],
  cuStreamDestroy_v2: ['uint64_t'],
  cuStreamSynchronize: ['uint64_t'],
  cuStreamWaitEvent: ['uint64_t', 'uint64_t', 'uint'],
  cuStreamBeginCapture_v2: ['uint64_t', 'int'],
  cuStreamEndCapture: ['uint64_t', 'void *'],
  cuEventCreate: ['void *', 'uint'],
  cuEventDestroy_v2: ['uint64_t'],
  cuEventRecord: ['uint64_t', 'uint64_t'],
  cuEventQuery: ['uint64_t'],
  cuEventElapsedTime: ['void *', 'uint64_t', 'uint64_t'],
  cuGraphInstantiateWithFlags: ['void *', 'uint64_t', 'uint64_t'],
  cuGraphDestroy: ['uint64_t'],
  cuGraphExecDestroy: ['uint64_t'],
  cuGraphLaunch: ['uint64_t', 'uint64_t'],
  cuGetErrorName: ['int', 'void *'],
  cuGetErrorString: ['int', 'void *'],
} as const

export type CudaFunction = keyof typeof signatures

export const notReady = 600
export const outOfMemory = 2

/** The CUDA driver API, as far as the engine uses it. */
export class CudaLibrary {
  private readonly functions: Readonly<Record<CudaFunction, StatusFunction>>
  /** See `Device`. */
  doing: (() => Activity) | null = null

  /** Throws where the library or one of its functions does not exist. */
  constructor(path: string) {
    this.functions = bindLibrary<CudaFunction>(path, signatures)
  }

  /** The bare status. */
  status(name: CudaFunction, ...values: readonly unknown[]): number {
    return this.functions[name](...values)
  }

  /** Throws `DEVICE_FAILED` or `OUT_OF_MEMORY` unless the call succeeds. */
  call(name: CudaFunction, ...values: readonly unknown[]): void {
    const status = this.functions[name](...values)
    if (status !== 0) throw this.failure(name, status)
  }

  /** A call whose first parameter receives a 64-bit handle, address or size. */
  handle(name: CudaFunction, ...values: readonly unknown[]): bigint {
    const out = new BigUint64Array(1)
    this.call(name, out, ...values)
    return out[0]
  }

  /** A call whose first parameter receives an int. */
  integer(name: CudaFunction, ...values: readonly unknown[]): number {
    const out = new Int32Array(1)
    this.call(name, out, ...values)
    return out[0]
  }

  failure(name: CudaFunction, status: number): Error {
    const [text, detail] = [this.text('cuGetErrorName', status), this.text('cuGetErrorString', status)]
    const failed = { call: name, status: text, detail, outOfMemory: status === outOfMemory }
    return deviceError(failed, this.doing?.() ?? null)
  }

  private text(name: 'cuGetErrorName' | 'cuGetErrorString', status: number): string {
    const out = new BigUint64Array(1)
    if (this.functions[name](status, out) !== 0 || out[0] === 0n) return `status ${status}`
    return koffi.decode.string(out[0])
  }
}
