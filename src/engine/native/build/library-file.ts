import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import koffi from 'koffi'
import { VideoMaeError } from '../../../core/errors.ts'
import { makeFolder } from '../../../core/make-folder.ts'
import { CacheDirectory } from '../../cache-directory.ts'
import { type Compiler, compileLibrary, compilerOptions, compilerVersion, findCompiler } from './compiler.ts'
import { chooseLevel, type Level } from './levels.ts'
import { type KernelSources, kernelSources } from './sources.ts'

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

/** Name of a library in the package: it serves only the sources that it was made from. */
export function prebuiltName(level: Level, { digest }: KernelSources): string {
  return `${level}-${digest.slice(0, 32)}.so`
}

const sanitizes = (): boolean => process.env.VIDEOMAE_NATIVE_SANITIZE === '1'

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
  const prebuilt = path.join(prebuiltDirectory, prebuiltName(level, sources))
  if (!sanitizes() && loads(prebuilt)) {
    return { kind: 'ready', file: { path: prebuilt, level }, origin: 'package' }
  }
  const compiler = findCompiler()
  const { directory } = CacheDirectory.of('native')
  const cached = compiler === null ? anyCached(directory, level, sources) : cachedLibrary(level, compiler)
  if (cached !== null && (compiler === null || loads(cached))) {
    return { kind: 'ready', file: { path: cached, level }, origin: 'cache' }
  }
  if (compiler !== null) {
    const failed = CacheDirectory.of('native').read(failureName(level, compiler))
    if (failed === null) return { kind: 'compilable', level, compiler }
    return { kind: 'missing', why: `${compiler.command} could not compile the native engine: ${failed}` }
  }
  return {
    kind: 'missing',
    why: 'The native engine found no C compiler (cc, gcc or clang; VIDEOMAE_CC names another one) to compile its kernels with.',
  }
}

/**
 * Whether a file is there and this system can load it: one that was made for another C library, or a cache that several
 * systems share, must not keep the engine from compiling what it needs.
 */
function loads(file: string): boolean {
  if (!existsSync(file)) return false
  // Sanitized code ends a process that was not started for it.
  if (sanitizes()) return true
  try {
    koffi.load(file)
    return true
  } catch {
    return false
  }
}

/** Names begin with what a machine that has lost its compiler still knows. */
function namePrefix(level: Level, { digest }: KernelSources, sanitized: boolean): string {
  return `${level}${sanitized ? '-sanitize' : ''}-${digest.slice(0, 32)}-`
}

/** Where the cache has, or will have, the library of these sources for a level and a compiler. */
export function cachedLibrary(level: Level, { fingerprint }: Compiler, sanitized = sanitizes()): string {
  const key = createHash('sha256')
    .update([fingerprint, ...compilerOptions(level, sanitized)].join('\0'))
    .digest('hex')
  const name = `${namePrefix(level, kernelSources(), sanitized)}${key.slice(0, 16)}.so`
  return path.join(CacheDirectory.of('native').directory, name)
}

/** What is left of a compilation that the compiler refused, so that it is not tried again with the same compiler. */
function failureName(level: Level, compiler: Compiler): string {
  return path.basename(cachedLibrary(level, compiler)).replace(/\.so$/, '.failed')
}

function anyCached(directory: string, level: Level, sources: KernelSources): string | null {
  try {
    const prefix = namePrefix(level, sources, sanitizes())
    const names = readdirSync(directory).filter((name) => name.startsWith(prefix) && name.endsWith('.so'))
    return names.map((name) => path.join(directory, name)).find(loads) ?? null
  } catch {
    return null
  }
}

/**
 * The library for this machine; compiles it where there is none yet.
 *
 * @param report is told before a compilation, which takes some seconds, in one line
 * @throws VideoMaeError `ENGINE_UNAVAILABLE` where there is none and none can be made, `KERNEL_COMPILATION_FAILED`
 */
export async function obtainLibrary(report: (line: string) => void, wanted?: Level): Promise<LibraryFile> {
  const state = findLibrary(wanted)
  if (state.kind === 'ready') return state.file
  if (state.kind === 'missing') throw unavailable(state.why)
  const { level, compiler } = state
  report(
    `Compiling the kernels of the native engine for ${level} with ${await compilerVersion(compiler)}, once for this machine.`,
  )
  const sources = kernelSources()
  const target = cachedLibrary(level, compiler)
  const folder = workFolder(path.dirname(target))
  const options = compilerOptions(level, sanitizes())
  const made = await compileLibrary(compiler, sources.files, options, folder).catch((error: VideoMaeError) => {
    rmSync(folder, { recursive: true, force: true })
    const refusal = refusalOf(error)
    if (refusal === null) throw error
    CacheDirectory.of('native').write(failureName(level, compiler), refusal)
    throw error
  })
  if (!loads(made)) {
    rmSync(folder, { recursive: true, force: true })
    throw unavailable(`${compiler.command} made kernels that this system cannot load.`)
  }
  try {
    renameSync(made, target)
    rmSync(folder, { recursive: true, force: true })
    return { path: target, level }
  } catch {
    // The cache cannot be written: the library serves this process alone.
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    return { path: made, level }
  }
}

/**
 * The line in which a compiler refuses the sources, which it would do again. Null where it was stopped, ran out of time,
 * memory or space, or said nothing: it may succeed the next time.
 */
function refusalOf(error: VideoMaeError): string | null {
  const { code } = (error.cause ?? {}) as { readonly code?: unknown }
  const lines = error.message.split('\n').slice(1)
  if (typeof code !== 'number' || lines.some((line) => /killed|memory|no space|temporarily/i.test(line))) return null
  return lines.find((line) => /error/i.test(line)) ?? null
}

/** Beside the target, so that renaming is possible; elsewhere where nothing can be written there. */
function workFolder(beside: string): string {
  try {
    makeFolder(beside)
    return mkdtempSync(path.join(beside, 'compile-'))
  } catch {
    return mkdtempSync(path.join(tmpdir(), 'videomae-native-'))
  }
}

export function unavailable(why: string): VideoMaeError {
  return new VideoMaeError(why, {
    code: 'ENGINE_UNAVAILABLE',
    exit: 'environment',
    hint: 'Install a C compiler (Debian: `apt install gcc libc6-dev`), or use `--engine onnx`.',
  })
}
