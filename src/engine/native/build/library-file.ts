import { createHash } from 'node:crypto'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { VideoMaeError } from '../../../core/errors.ts'
import { CacheDirectory } from '../../cache-directory.ts'
import {
  CompilationFailure,
  type Compiler,
  compileLibrary,
  compilerOptions,
  compilerVersion,
  findCompiler,
} from './compiler.ts'
import { chooseLevel, type Level } from './levels.ts'
import { loads, sanitizes, whyNotLoaded } from './loading.ts'
import { type KernelSources, kernelSources } from './sources.ts'
import { storedLibraries, storeLibrary } from './stored-library.ts'
import { openWorkFolder } from './work-folder.ts'

export interface LibraryFile {
  readonly path: string
  readonly level: Level
}

/** What the engine can do on this machine: a library is there, or can be made. */
export type LibraryState =
  | { readonly kind: 'ready'; readonly file: LibraryFile; readonly origin: 'package' | 'cache' }
  | { readonly kind: 'compilable'; readonly level: Level; readonly compiler: Compiler }
  | { readonly kind: 'missing'; readonly why: string }

/** Libraries that came with the package, for the kind of machine that packed it. */
export const prebuiltDirectory = fileURLToPath(
  new URL(`../prebuilt/${process.platform}-${process.arch}/`, import.meta.url),
)

/** How the name of a library in the package begins: it serves only the sources that it was made from. */
export function prebuiltPrefix(level: Level, { digest }: KernelSources): string {
  return `${level}-${digest.slice(0, 32)}-`
}

/**
 * Looks for a library without making one.
 *
 * @param level default: the best one of this processor, or VIDEOMAE_NATIVE_LEVEL
 * @throws VideoMaeError `INVALID_ARGUMENT` for a VIDEOMAE_NATIVE_LEVEL that is not here
 */
export function findLibrary(level: Level | null = chooseLevel()): LibraryState {
  if (process.platform !== 'linux' && process.platform !== 'darwin') {
    return { kind: 'missing', why: `The native engine runs on Linux and macOS, not on ${process.platform}.` }
  }
  if (level === null) {
    const why = 'The native engine needs a processor with AVX2 and FMA, or a 64-bit ARM processor.'
    return { kind: 'missing', why }
  }
  const sources = kernelSources()
  const prebuilt = sanitizes() ? undefined : usable(prebuiltDirectory, prebuiltPrefix(level, sources))
  if (prebuilt !== undefined) return { kind: 'ready', file: { path: prebuilt, level }, origin: 'package' }
  const compiler = findCompiler()
  const cache = CacheDirectory.of('native')
  // A machine that has lost its compiler takes what any compiler has made.
  const prefix = compiler === null ? namePrefix(level, sources, sanitizes()) : cachePrefix(level, compiler)
  const cached = usable(cache.directory, prefix)
  if (cached !== undefined) return { kind: 'ready', file: { path: cached, level }, origin: 'cache' }
  if (compiler !== null) {
    const failed = cache.read(failureName(level, compiler))
    if (failed === null) return { kind: 'compilable', level, compiler }
    const again = `To try again, delete ${path.join(cache.directory, failureName(level, compiler))}.`
    return {
      kind: 'missing',
      why: `${compiler.command} could not compile the native engine: ${Buffer.from(failed)}. ${again}`,
    }
  }
  return {
    kind: 'missing',
    why: 'The native engine found no C compiler for its kernels (cc, gcc or clang; VIDEOMAE_CC names another one).',
  }
}

/** A library that this system can load. */
function usable(folder: string, prefix: string): string | undefined {
  return storedLibraries(folder, prefix).find(loads)
}

/** Names begin with what a machine that has lost its compiler still knows. */
function namePrefix(level: Level, { digest }: KernelSources, sanitized: boolean): string {
  return `${level}${sanitized ? '-sanitize' : ''}-${digest.slice(0, 32)}-`
}

/** How the cache names the library of these sources for a level and a compiler. */
export function cachePrefix(level: Level, { fingerprint }: Compiler, sanitized = sanitizes()): string {
  const key = createHash('sha256')
    .update([fingerprint, ...compilerOptions(level, sanitized)].join('\0'))
    .digest('hex')
  return `${namePrefix(level, kernelSources(), sanitized)}${key.slice(0, 16)}-`
}

/** What is left of a compilation that the compiler refused, so that it is not tried again with the same compiler. */
function failureName(level: Level, compiler: Compiler): string {
  return `${cachePrefix(level, compiler)}refused.txt`
}

/**
 * The library for this machine; compiles it where there is none yet. Ctrl-C ends a compilation, and nothing is left of it.
 *
 * @param report is told before a compilation, which takes some seconds, in one line
 * @throws VideoMaeError `ENGINE_UNAVAILABLE` where there is none and none can be made, `KERNEL_COMPILATION_FAILED`, `INTERRUPTED`
 */
export async function obtainLibrary(report: (line: string) => void, wanted?: Level): Promise<LibraryFile> {
  const state = findLibrary(wanted)
  if (state.kind === 'ready') return state.file
  if (state.kind === 'missing') throw unavailable(state.why)
  return makeLibrary(state.level, state.compiler, report)
}

async function makeLibrary(level: Level, compiler: Compiler, report: (line: string) => void): Promise<LibraryFile> {
  const cache = CacheDirectory.of('native')
  const { folder, signal, remove } = openWorkFolder(cache.directory)
  try {
    const version = await compilerVersion(compiler, signal)
    report(`Compiling the kernels of the native engine for ${level} with ${version}, once for this machine.`)
    const options = compilerOptions(level, sanitizes())
    const made = await compileLibrary(compiler, kernelSources().files, options, folder, { signal })
    await requireLoads(made, compiler)
    try {
      const stored = storeLibrary(made, cache.directory, cachePrefix(level, compiler))
      remove()
      return { path: stored, level }
    } catch {
      // The cache cannot be written: the library serves this process alone, and goes with it.
      return { path: made, level }
    }
  } catch (error) {
    remove()
    const { cause } = error as Error
    if (cause instanceof CompilationFailure && cause.refusal !== null)
      cache.write(failureName(level, compiler), cause.refusal)
    throw error
  }
}

/** Milliseconds that a compiler has for one small file. */
const trialLimit = 30_000

/**
 * Compiles one small file as all are compiled, and loads it: a third of a second.
 *
 * @throws VideoMaeError `KERNEL_COMPILATION_FAILED`, `ENGINE_UNAVAILABLE`, `INTERRUPTED`
 */
export async function tryCompiler(level: Level, compiler: Compiler): Promise<void> {
  const { folder, signal, remove } = openWorkFolder(CacheDirectory.of('native').directory)
  try {
    const options = compilerOptions(level, sanitizes())
    const limits = { milliseconds: trialLimit, signal }
    await requireLoads(await compileLibrary(compiler, ['pool.c'], options, folder, limits), compiler, [])
  } finally {
    remove()
  }
}

async function requireLoads(file: string, { command }: Compiler, functions?: readonly string[]): Promise<void> {
  const why = await whyNotLoaded(file, functions)
  if (why === null) return
  const mounted = /failed to map|not permitted/i.test(why) ? ' (Is that file system mounted with noexec?)' : ''
  throw new VideoMaeError(`${command} made kernels that this system cannot load: ${why}${mounted}`, {
    code: 'ENGINE_UNAVAILABLE',
    exit: 'environment',
    hint: 'Set VIDEOMAE_CC to a C compiler for this machine, or VIDEOMAE_CACHE to a folder whose file system is not mounted with noexec, or use `--engine onnx`.',
  })
}

export function unavailable(why: string): VideoMaeError {
  return new VideoMaeError(why, {
    code: 'ENGINE_UNAVAILABLE',
    exit: 'environment',
    hint: 'Install a C compiler (Debian: `apt install gcc libc6-dev`), or use `--engine onnx`.',
  })
}
