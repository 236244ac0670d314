import { availableParallelism } from 'node:os'
import path from 'node:path'
import { requireCount } from '../../core/counts.ts'
import { compiledEntry } from '../../core/entry.ts'
import { invalidArgument } from '../../core/errors.ts'
import type { Program } from '../../graph/program.ts'
import type { Availability, Engine, EngineOptions } from '../engine.ts'
import { threadedEngine } from '../worker/index.ts'
import { compilerVersion } from './build/compiler.ts'
import { chooseLevel, type Level } from './build/levels.ts'
import { findLibrary, obtainLibrary } from './build/library-file.ts'
import { NativeLibrary } from './library.ts'
import { NativeSession } from './session.ts'

/** What runs bfloat16 products at once; elsewhere they take as long as float32 ones or longer. */
const hasBfloat16: ReadonlySet<Level> = new Set(['avx512bf16'])

async function probe(): Promise<Availability> {
  try {
    const state = findLibrary()
    if (state.kind === 'missing') return { available: false, detail: state.why }
    const level = state.kind === 'ready' ? state.file.level : state.level
    const bfloat16 = hasBfloat16.has(level)
      ? 'fastest with `--set engine.precision=bfloat16`'
      : 'no bfloat16 products in this processor'
    const origin =
      state.kind === 'compilable'
        ? `${await compilerVersion(state.compiler)} compiles its kernels at the first use`
        : state.origin === 'package'
          ? 'kernels came with the package'
          : `kernels are compiled, in ${path.dirname(state.file.path)}`
    return { available: true, detail: `${level}, ${origin}; ${bfloat16}` }
  } catch (error) {
    return { available: false, detail: (error as Error).message }
  }
}

/** The processor level: kernels of another one add in another order. */
function variant(): string | null {
  try {
    return chooseLevel()
  } catch {
    return null // a level that is not here; `probe` and `open` say so
  }
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
  options: EngineOptions = {},
): Promise<NativeSession> {
  const { threads = availableParallelism(), device = 'cpu', precision = 'float32', recompute = 'none', ranks } = options
  requireCount('threads', threads)
  if (device !== 'cpu') throw invalidArgument('device', 'cpu', device)
  const apart = process.env.VIDEOMAE_NATIVE_SANITIZE === '1'
  const library = await obtainLibrary(() => undefined)
  return new NativeSession(new NativeLibrary(library.path, apart), programs, {
    threads,
    precision,
    recompute,
    ranks,
    isolateValues: apart,
  })
}

/** The engine in the calling thread; a run is beside its event loop all the same. */
export const inThreadNativeEngine: Engine = { name: 'native', probe, variant, open: openNativeSession }

const threaded: Engine = threadedEngine({
  engine: inThreadNativeEngine,
  module: () => compiledEntry(import.meta.url, './index'),
  exportName: 'inThreadNativeEngine',
})

/** A compilation takes some seconds, so a line on standard error says what is done. */
async function prepare(): Promise<void> {
  await obtainLibrary((line) => process.stderr.write(`${line}\n`))
}

/** Kernels of our own on the CPU; sessions live in worker threads. */
export const nativeEngine: Engine = {
  ...threaded,
  prepare,

  async open(programs, options) {
    await prepare()
    return threaded.open(programs, options)
  },
}
