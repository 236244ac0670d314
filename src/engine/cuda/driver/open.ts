import { VideoMaeError } from '../../../core/errors.ts'
import { CacheDirectory } from '../../cache-directory.ts'
import type { DeviceDescription } from '../device.ts'
import { CublasLtLibrary } from './cublaslt-library.ts'
import { CudaLibrary } from './cuda-library.ts'
import { describeDevice } from './describe.ts'
import { DriverDevice } from './driver-device.ts'
import { findLibraries, type LibrarySearch } from './find.ts'
import { NvrtcCompiler, tryNvrtc } from './kernel-compiler.ts'
import { NvrtcLibrary } from './nvrtc-library.ts'

/** Oldest architecture with bfloat16 tensor cores and asynchronous copies. */
const oldestMajor = 8

function unavailable(message: string, hint: string | undefined, cause?: unknown): VideoMaeError {
  return new VideoMaeError(message, { code: 'ENGINE_UNAVAILABLE', exit: 'environment', hint, cause })
}

function required(search: LibrarySearch): { cuda: string; nvrtc: string; cublasLt: string } {
  const { cuda, nvrtc, cublasLt } = search.found
  if (cuda === undefined || nvrtc === undefined || cublasLt === undefined) {
    throw unavailable(
      `The CUDA engine does not find ${search.missing.map(({ role }) => role).join(', ')}.`,
      search.missing.map(({ advice }) => advice).join(' '),
    )
  }
  return { cuda: cuda.path, nvrtc: nvrtc.path, cublasLt: cublasLt.path }
}

/** The GPUs of this machine. Throws `ENGINE_UNAVAILABLE`. */
export function listGpus(cudaPath: string): DeviceDescription[] {
  try {
    const cuda = new CudaLibrary(cudaPath)
    cuda.call('cuInit', 0)
    const count = cuda.integer('cuDeviceGetCount')
    return Array.from({ length: count }, (_, i) => describeDevice(cuda, cuda.integer('cuDeviceGet', i)))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw unavailable(`The NVIDIA driver does not start: ${reason}`, 'Check that `nvidia-smi` lists a GPU.', cause)
  }
}

/** How many GPUs this process sees, at least 1. Throws `ENGINE_UNAVAILABLE`. */
export function countGpus(search: LibrarySearch = findLibraries()): number {
  return Math.max(1, listGpus(required(search).cuda).length)
}

/**
 * What the machine has, in one line: libraries load, and NVRTC compiles a kernel.
 *
 * @throws VideoMaeError `ENGINE_UNAVAILABLE` with what is missing, `KERNEL_COMPILATION_FAILED`
 */
export function describeCuda(search: LibrarySearch = findLibraries()): string {
  const paths = required(search)
  const usable = listGpus(paths.cuda).filter(supported)
  if (usable.length === 0) throw unavailable('There is no NVIDIA GPU of compute capability 8.0 or later.', undefined)
  loading(() => {
    const nvrtc = new NvrtcLibrary(paths.nvrtc)
    for (const architecture of new Set(usable.map((gpu) => gpu.architecture))) tryNvrtc(nvrtc, architecture)
    new CublasLtLibrary(paths.cublasLt)
  })
  const gpus = usable.map(
    ({ name, architecture, totalMemory }) => `${name} (${architecture}, ${Math.round(totalMemory / 2 ** 30)} GiB)`,
  )
  return `${gpus.join('; ')}; NVRTC ${paths.nvrtc}; cuBLASLt ${paths.cublasLt}`
}

const supported = ({ architecture }: DeviceDescription): boolean => Number(architecture.slice(3, -1)) >= oldestMajor

/**
 * Opens a GPU.
 *
 * @param ordinal which, from 0
 * @throws VideoMaeError `ENGINE_UNAVAILABLE` with what is missing and how to get it
 */
export function openDevice(ordinal: number, search: LibrarySearch = findLibraries()): DriverDevice {
  const paths = required(search)
  const gpu = listGpus(paths.cuda)[ordinal]
  if (gpu === undefined) throw unavailable(`There is no GPU number ${ordinal}.`, 'Use a lower number: device `cuda:0`.')
  if (!supported(gpu)) {
    throw unavailable(`${gpu.name} is ${gpu.architecture}; the CUDA engine needs sm_80 (Ampere) or later.`, undefined)
  }
  const cache = CacheDirectory.of('cuda')
  return loading(
    () =>
      new DriverDevice({
        cuda: new CudaLibrary(paths.cuda),
        cublasLt: new CublasLtLibrary(paths.cublasLt),
        compiler: new NvrtcCompiler(paths.nvrtc, cache),
        cache,
        ordinal,
      }),
  )
}

/** What opens libraries. Throws `ENGINE_UNAVAILABLE` where one does not load. */
function loading<T>(open: () => T): T {
  try {
    return open()
  } catch (cause) {
    if (cause instanceof VideoMaeError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw unavailable(
      `A CUDA library cannot be loaded: ${reason}`,
      'Driver, NVRTC and cuBLASLt should belong to one CUDA version.',
      cause,
    )
  }
}
