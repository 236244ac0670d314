import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { compiledEntry } from '../../core/entry.ts'
import { invalidArgument, VideoMaeError } from '../../core/errors.ts'
import type { Program } from '../../graph/program.ts'
import { requireThreads } from '../check.ts'
import type { Availability, Engine, EngineOptions } from '../engine.ts'
import { requirePrecision } from '../precision.ts'
import { threadedEngine } from '../worker/index.ts'
import { compilerVersion } from './build/compiler.ts'
import { chooseLevel, type Level } from './build/levels.ts'
import { findLibrary, type LibraryFile, obtainLibrary } from './build/library-file.ts'
import { ProcessLibraries } from './build/process-libraries.ts'
import { NativeLibrary } from './library.ts'
import { NativeSession } from './session.ts'

/** What runs bfloat16 products at once; elsewhere they take as long as float32 ones or longer. */
const hasBfloat16: ReadonlySet<Level> = new Set(['avx512bf16'])

async function probe(libraries = new ProcessLibraries()): Promise<Availability> {
  try {
    const state = findLibrary()
    if (state.kind === 'missing') return { available: false, detail: state.why }
    if (state.kind === 'ready') {
      const { file, origin } = state
      return available(file.level, origin === 'package' ? 'kernels are in the package' : compiledIn(file))
    }
    const { level, compiler } = state
    // Of a cache that cannot be written, or was emptied.
    const known = await libraries.known()
    if (known !== null) return available(level, compiledIn(known))
    await libraries.try(level, compiler)
    return available(level, `${await compilerVersion(compiler)} compiles its kernels on first use`)
  } catch (error) {
    if (error instanceof VideoMaeError && error.exit === 'interrupted') throw error
    return { available: false, detail: (error as Error).message.split('\n')[0] }
  }
}

const compiledIn = (file: LibraryFile): string => `kernels are compiled, in ${path.dirname(file.path)}`

function available(level: Level, origin: string): Availability {
  const bfloat16 = hasBfloat16.has(level)
    ? 'fastest with `--set engine.precision=bfloat16`'
    : 'no bfloat16 products in this processor'
  return { available: true, detail: `${level}, ${origin}; ${bfloat16}` }
}

/** The processor level: kernels of another one add in another order. */
function variant(): string | null {
  try {
    return chooseLevel()
  } catch {
    return null // a level that is not here; `probe` and `open` say so
  }
}

interface NativeOptions extends EngineOptions {
  /** Compiled kernels that this process has already obtained. Default: those of the package or the cache, or new ones. */
  readonly library?: LibraryFile
}

/**
 * Opens programs in the calling thread.
 *
 * @param options `precision`: `bfloat16` (activations and operands of products; everything about parameters stays
 *   float32) or `float32`, the default; `recompute`: see `RecomputeMode`
 * @throws VideoMaeError `ENGINE_UNAVAILABLE`, `KERNEL_COMPILATION_FAILED`, `PROGRAM_UNSUPPORTED`, `OUT_OF_MEMORY`
 */
export async function openNativeSession(
  programs: readonly Program[],
  options: NativeOptions = {},
): Promise<NativeSession> {
  const { threads = availableParallelism(), recompute = 'none', ranks } = options
  const precision = requireNativeOptions(options)
  const apart = process.env.VIDEOMAE_NATIVE_SANITIZE === '1'
  const library = options.library ?? (await obtainLibrary(() => undefined))
  return new NativeSession(new NativeLibrary(library.path, apart), programs, {
    threads,
    precision,
    recompute,
    ranks,
    isolateValues: apart,
  })
}

/** The precision. */
function requireNativeOptions({ device = 'cpu', precision, threads }: EngineOptions) {
  requireThreads(threads)
  if (device !== 'cpu') throw invalidArgument('device', 'cpu', device)
  return requirePrecision('native', precision)
}

/** The engine in the calling thread; a run is next to its event loop all the same. */
export const inThreadNativeEngine: Engine = {
  name: 'native',
  probe: () => probe(),
  variant,
  async requireOptions(options) {
    requireNativeOptions(options)
  },
  open: openNativeSession,
}

const threaded: Engine = threadedEngine({
  engine: inThreadNativeEngine,
  module: () => compiledEntry(import.meta.url, './index'),
  exportName: 'inThreadNativeEngine',
})

/** Kernels of our own on the CPU; sessions live in worker threads. */
export const nativeEngine: Engine = createNativeEngine()

function createNativeEngine(): Engine {
  const libraries = new ProcessLibraries()
  // A compilation takes some seconds, so a line on standard error says what is done.
  const obtain = (): Promise<LibraryFile> => libraries.obtain((line) => process.stderr.write(`${line}\n`))
  return {
    ...threaded,
    probe: () => probe(libraries),
    async prepare() {
      await obtain()
    },
    async open(programs, options) {
      const library = await obtain()
      const open = (file: LibraryFile) => threaded.open(programs, withLibrary(options, file))
      try {
        return await open(library)
      } catch (error) {
        if (existsSync(library.path)) throw error
        return open(await obtain()) // somebody has emptied the cache meanwhile
      }
    },
  }
}

const withLibrary = (options: EngineOptions | undefined, library: LibraryFile): NativeOptions => ({
  ...options,
  library,
})
