import { mkdtempSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import koffi from 'koffi'
import { CacheDirectory } from '../../../src/engine/cuda/driver/cache-directory.ts'
import { CublasLtLibrary } from '../../../src/engine/cuda/driver/cublaslt-library.ts'
import { CudaLibrary } from '../../../src/engine/cuda/driver/cuda-library.ts'
import { DriverDevice } from '../../../src/engine/cuda/driver/driver-device.ts'
import { buildEmulatedLibraries, EmulatedCompiler } from './build.ts'

export interface EmulatedDeviceOptions {
  readonly measureProducts?: boolean
  readonly addressSanitizer?: boolean
  /** Default: a fresh, empty directory. */
  readonly cache?: string
}

/** The driver's device over emulated libraries: the CPU as GPU. */
export function openEmulatedDevice(options: EmulatedDeviceOptions = {}): DriverDevice {
  const libraries = buildEmulatedLibraries()
  const { measureProducts = false, addressSanitizer = false, cache } = options
  return new DriverDevice({
    cuda: new CudaLibrary(libraries),
    cublasLt: new CublasLtLibrary(libraries),
    compiler: new EmulatedCompiler(libraries, { addressSanitizer }),
    cache: new CacheDirectory(cache ?? mkdtempSync(path.join(os.tmpdir(), 'videomae-cuda-test-'))),
    measureProducts,
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
  /** A failure on the device makes every later call fail, until this is called. */
  readonly resetError: () => void

  constructor() {
    const library = koffi.load(buildEmulatedLibraries())
    const setMemory = library.func('emulated_set_memory', 'void', ['size_t'])
    const launches = library.func('emulated_launches', 'uint64_t', [])
    const usedMemory = library.func('emulated_used_memory', 'size_t', [])
    const setOrder = library.func('emulated_set_order', 'void', ['int'])
    const setLatency = library.func('emulated_set_latency', 'void', ['double'])
    const resetError = library.func('emulated_reset_error', 'void', [])
    this.setMemory = (bytes) => void setMemory(bytes)
    this.launches = () => Number(launches())
    this.usedMemory = () => Number(usedMemory())
    this.setOrder = (order) => void setOrder(order === 'ascending' ? 0 : 1)
    this.setLatency = (milliseconds) => void setLatency(milliseconds)
    this.resetError = () => void resetError()
  }
}
