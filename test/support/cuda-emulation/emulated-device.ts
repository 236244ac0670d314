import { mkdtempSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import koffi from 'koffi'
import { CacheDirectory } from '../../../src/engine/cache-directory.ts'
import { CublasLtLibrary } from '../../../src/engine/cuda/driver/cublaslt-library.ts'
import { CudaLibrary } from '../../../src/engine/cuda/driver/cuda-library.ts'
import { DriverDevice } from '../../../src/engine/cuda/driver/driver-device.ts'
import { buildEmulatedLibraries, EmulatedCompiler } from './build.ts'

export interface EmulatedDeviceOptions {
  readonly measureMatmuls?: boolean
  readonly addressSanitizer?: boolean
  /** Default: a fresh, empty directory. */
  readonly cache?: string
}

/** An empty directory; it goes with the folder of all temporary files of the tests. */
const freshCache = (): string => mkdtempSync(path.join(os.tmpdir(), 'videomae-cuda-test-'))

/** The driver's device over emulated libraries: the CPU as GPU. */
export function openEmulatedDevice(options: EmulatedDeviceOptions = {}): DriverDevice {
  const libraries = buildEmulatedLibraries()
  const { measureMatmuls = false, addressSanitizer = false, cache } = options
  return new DriverDevice({
    cuda: new CudaLibrary(libraries),
    cublasLt: new CublasLtLibrary(libraries),
    compiler: new EmulatedCompiler(libraries, { addressSanitizer }),
    cache: new CacheDirectory(cache ?? freshCache()),
    measureMatmuls,
  })
}

/** Knobs of the emulation that real libraries do not have. */
export class EmulationControls {
  readonly setMemory: (bytes: number) => void
  readonly launches: () => number
  readonly usedMemory: () => number
  /** The order in which threads of a block start: a kernel without races does not notice. */
  readonly setOrder: (order: 'ascending' | 'descending') => void
  /** Milliseconds that queries of an event say "not ready" at least. */
  readonly setLatency: (milliseconds: number) => void
  /** Page-locked memory that the driver gives at most. */
  readonly setHostMemory: (bytes: number) => void
  /** Graphs that have not been destroyed. */
  readonly graphs: () => number
  /** The n-th launch from now on fails; so does, as on a real device, every later call until `resetError`. */
  readonly failAfter: (launches: number) => void
  readonly resetError: () => void

  constructor() {
    const library = koffi.load(buildEmulatedLibraries())
    const setMemory = library.func('emulated_set_memory', 'void', ['size_t'])
    const launches = library.func('emulated_launches', 'uint64_t', [])
    const usedMemory = library.func('emulated_used_memory', 'size_t', [])
    const setOrder = library.func('emulated_set_order', 'void', ['int'])
    const setLatency = library.func('emulated_set_latency', 'void', ['double'])
    const setHostMemory = library.func('emulated_set_host_memory', 'void', ['uint64_t'])
    const graphs = library.func('emulated_graphs', 'int', [])
    const failAfter = library.func('emulated_fail_after', 'void', ['uint64_t'])
    const resetError = library.func('emulated_reset_error', 'void', [])
    this.setMemory = (bytes) => void setMemory(bytes)
    this.launches = () => Number(launches())
    this.usedMemory = () => Number(usedMemory())
    this.setOrder = (order) => void setOrder(order === 'ascending' ? 0 : 1)
    this.setLatency = (milliseconds) => void setLatency(milliseconds)
    this.setHostMemory = (bytes) => void setHostMemory(bytes)
    this.graphs = () => Number(graphs())
    this.failAfter = (count) => void failAfter(count)
    this.resetError = () => void resetError()
  }
}
