import { createHash } from 'node:crypto'
import { CacheDirectory } from '../../cache-directory.ts'
import type { KernelFile } from '../kernel-files.ts'
import { NvrtcLibrary } from './nvrtc-library.ts'

/** Turns a kernel file into what `cuModuleLoadData` takes. */
export interface KernelCompiler {
  /** Name and version, for people and for cache keys. */
  readonly identity: string
  /** @param defines `-DNAME=VALUE` options. Throws `KERNEL_COMPILATION_FAILED`. */
  compile(file: KernelFile, architecture: string, defines: readonly string[]): Uint8Array
}

const optionsFor = (architecture: string): readonly string[] => [
  `--gpu-architecture=${architecture}`,
  '--std=c++17',
  '--extra-device-vectorization',
]

/** Whether NVRTC makes kernels of an architecture. Throws `KERNEL_COMPILATION_FAILED`, and what loading throws. */
export function tryNvrtc(nvrtc: NvrtcLibrary, architecture: string): void {
  nvrtc.compile('trial.cu', 'extern "C" __global__ void trial() {}\n', new Map(), optionsFor(architecture))
}

/** NVRTC behind a cache keyed by source digest, architecture, options and compiler version. */
export class NvrtcCompiler implements KernelCompiler {
  readonly identity: string
  private readonly nvrtc: NvrtcLibrary
  private readonly cache: CacheDirectory

  constructor(nvrtcPath: string, cache: CacheDirectory = CacheDirectory.of('cuda')) {
    this.nvrtc = new NvrtcLibrary(nvrtcPath)
    this.identity = `NVRTC ${this.nvrtc.version()}`
    this.cache = cache
  }

  compile(file: KernelFile, architecture: string, defines: readonly string[]): Uint8Array {
    const options = [...optionsFor(architecture), ...defines]
    const key = createHash('sha256')
      .update([this.identity, file.digest, ...options].join('\0'))
      .digest('hex')
    const name = `${file.name.replace('.cu', '')}-${architecture}-${key.slice(0, 32)}.cubin`
    const cached = this.cache.read(name)
    if (cached !== null) return cached
    const { cubin } = this.nvrtc.compile(file.name, file.text, file.headers, options)
    this.cache.write(name, cubin)
    return cubin
  }
}
