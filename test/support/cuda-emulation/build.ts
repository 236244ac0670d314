import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { KernelCompiler } from '../../../src/engine/cuda/driver/kernel-compiler.ts'
import { type KernelFile, kernelDirectory, kernelEntries } from '../../../src/engine/cuda/kernel-files.ts'

const here = path.dirname(fileURLToPath(import.meta.url))
const common = ['-std=c++17', '-O2', '-fPIC', '-shared', '-fno-strict-aliasing', '-ffp-contract=off']
const runtimeSources = ['runtime.cpp', 'driver.cpp', 'memory.cpp', 'cublaslt.cpp', 'nvrtc.cpp', 'nccl.cpp'].map(
  (name) => path.join(here, name),
)
const headers = ['cuda_emulation.h', 'runtime.h', 'driver.h'].map((name) => path.join(here, name))

/** Kept between runs and shared by test processes: names carry the digest of what was compiled. */
const outputDirectory = path.join(os.tmpdir(), `videomae-emulation-${os.userInfo().username}`)

/** Why kernels cannot be emulated here, or null. */
export function emulationMissing(): string | null {
  if (process.platform !== 'linux') return 'the emulation of CUDA runs on Linux'
  const found = spawnSync('g++', ['--version'], { encoding: 'utf8' })
  return found.status === 0 ? null : 'there is no g++'
}

/** The first run on a machine compiles every kernel, which takes minutes where others use the cores. */
export const compilationTimeouts = { testTimeout: 300_000, hookTimeout: 300_000 } as const

export interface EmulationBuild {
  /** Find accesses outside of memory; the process must have loaded the sanitizer's library first. */
  readonly addressSanitizer: boolean
}

/** Compiles the emulated libraries once; returns the path of the shared object that stands for all of them. */
export function buildEmulatedLibraries(): string {
  const digest = digestOf([here, ...[...runtimeSources, ...headers].map((file) => readFileSync(file, 'utf8'))])
  const directories = [`-DEMULATION_DIRECTORY="${here}"`, `-DHEADER_DIRECTORY="${precompiledHeader()}"`]
  return compile(`libraries-${digest}.so`, [...runtimeSources, ...directories, '-I', here, '-ldl'])
}

/**
 * A folder that looks like one of CUDA libraries: set VIDEOMAE_CUDA_LIBRARIES to it, and the engine runs emulated.
 * Compiled kernels are shared objects in that folder, so VIDEOMAE_CACHE should be there too: `emulatedCache`.
 */
export function buildEmulatedToolkit(): string {
  const libraries = buildEmulatedLibraries()
  const folder = path.join(outputDirectory, path.basename(libraries).replace('libraries', 'toolkit').replace('.so', ''))
  mkdirSync(folder, { recursive: true })
  for (const name of ['libcuda.so.1', 'libnvrtc.so.13', 'libcublasLt.so.13', 'libnccl.so.2']) {
    const link = path.join(folder, name)
    if (existsSync(link)) continue
    const temporary = `${link}.${process.pid}`
    symlinkSync(libraries, temporary)
    renameSync(temporary, link)
  }
  return folder
}

/** Where kernels compiled for an emulated toolkit are kept from one test run to the next. */
export const emulatedCache = (toolkit: string): string => path.join(toolkit, 'cache')

/** Compiles kernel files with g++ into shared objects; the "machine code" is the path of one. */
export class EmulatedCompiler implements KernelCompiler {
  readonly identity = 'emulated compiler'
  private readonly libraries: string
  private readonly sanitize: readonly string[]

  constructor(libraries: string, { addressSanitizer }: EmulationBuild = { addressSanitizer: false }) {
    this.libraries = libraries
    // Checks of accesses as calls, not written out in place: compiled several times as fast, and the same accesses are checked.
    const asCalls = ['--param', 'asan-instrumentation-with-call-threshold=0']
    this.sanitize = addressSanitizer ? ['-fsanitize=address', '-O1', ...asCalls] : []
  }

  compile(file: KernelFile, _architecture: string, defines: readonly string[]): Uint8Array {
    return this.compileText(file, `#include "${fileURLToPath(new URL(file.name, kernelDirectory))}"`, defines)
  }

  /** @param text what stands for the file's text */
  compileText(file: KernelFile, text: string, defines: readonly string[]): Uint8Array {
    const flags = [...defines, ...this.sanitize]
    const wrapper = [
      '#include "cuda_emulation.h"',
      text,
      ...kernelEntries(file).map((entry) => `EMULATED_KERNEL(${entry})`),
    ].join('\n')
    const digest = digestOf([file.digest, wrapper, ...flags, this.libraries, readFileSync(headers[0], 'utf8')])
    const name = file.name.replace('.cu', '')
    const source = path.join(outputDirectory, `${name}-${digest}.cpp`)
    mkdirSync(outputDirectory, { recursive: true })
    if (!existsSync(source)) writeFileSync(source, wrapper)
    const includes = this.sanitize.length > 0 ? [] : ['-I', precompiledHeader()]
    // Bound to the libraries of the emulation, in which the fibers live.
    const options = [source, ...includes, '-I', here, ...flags, '-Wno-unknown-pragmas', this.libraries]
    const target = compile(`${name}-${digest}.so`, [...options, `-Wl,-rpath,${path.dirname(this.libraries)}`])
    return Buffer.from(`${target}\0`)
  }
}

/**
 * A folder with the header that every kernel file includes, compiled: to read its text takes g++ a third of the time for a file.
 * g++ leaves it out where the flags are others.
 */
function precompiledHeader(): string {
  const [header] = headers
  const folder = `header-${digestOf([readFileSync(header, 'utf8')])}`
  const target = path.join(folder, `${path.basename(header)}.gch`)
  return path.dirname(compile(target, ['-x', 'c++-header', header]))
}

function compile(name: string, options: readonly string[]): string {
  const target = path.join(outputDirectory, name)
  if (existsSync(target)) return target
  mkdirSync(path.dirname(target), { recursive: true })
  const temporary = `${target}.${process.pid}`
  // The sanitizer's library that is loaded into this process would make the compiler several times as slow.
  const { LD_PRELOAD: _, ...env } = process.env
  const done = spawnSync('g++', [...common, '-o', temporary, ...options], { encoding: 'utf8', env })
  if (done.status !== 0) throw new Error(`g++ failed:\n${done.stderr}`)
  renameSync(temporary, target)
  return target
}

function digestOf(texts: readonly string[]): string {
  const hash = createHash('sha256').update(common.join(' '))
  for (const text of texts) hash.update('\0').update(text)
  return hash.digest('hex').slice(0, 24)
}
