/**
 * The native engine's matrix products and attention, compiled with two C programs that compare them with plain loops in double. The
 * tests run the levels of this processor, the sanitized one and 64-bit ARM; `scripts/check-kernels.ts` the others.
 */
import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { CacheDirectory } from '../../../src/engine/cache-directory.ts'
import {
  type Compiler,
  compileLibrary,
  compilerOptions,
  findCommand,
  findCompiler,
} from '../../../src/engine/native/build/compiler.ts'
import { levelOptions, processorLevels } from '../../../src/engine/native/build/levels.ts'
import { cachePrefix } from '../../../src/engine/native/build/library-file.ts'
import { kernelDirectory, kernelSources } from '../../../src/engine/native/build/sources.ts'
import { storeLibrary } from '../../../src/engine/native/build/stored-library.ts'
import { type EmulatedLibrary, openEmulatedLibrary } from './emulated-library.ts'

const execute = promisify(execFile)
const milliseconds = 400_000

export interface Variant {
  readonly name: string
  readonly compiler: Compiler
  readonly options: readonly string[]
  readonly rounds: number
  /** How the cache names the whole library. Absent: it is not kept. */
  readonly prefix?: string
  /** What runs programs of another processor. */
  readonly emulator?: readonly string[]
}

export const families = ['linear', 'attention'] as const
export type Family = (typeof families)[number]

/** Every level of this processor, the best one first. */
export function processorVariants(): readonly Variant[] {
  const compiler = findCompiler()
  const levels = processorLevels()
  if (compiler === null || levels.length === 0) return []
  return levels.map((level) => ({
    ...{ name: level, compiler, rounds: 40 },
    options: compilerOptions(level, false),
    prefix: cachePrefix(level, compiler, false),
  }))
}

/** The best level of this processor under the address sanitizer. */
export function sanitizedVariant(): OptionalVariant {
  const name = 'sanitized'
  const compiler = findCompiler()
  const [level] = processorLevels()
  if (compiler === null || level === undefined)
    return { name, missing: 'no C compiler, or no kernels for this processor' }
  return {
    ...{ name: `${level}, ${name}`, compiler, options: compilerOptions(level, true), rounds: 12 },
    prefix: cachePrefix(level, compiler, true),
  }
}

/** A variant, or what is missing where it cannot run. */
export type OptionalVariant = Variant | { readonly name: string; readonly missing: string }

/** The kernels for 64-bit ARM, compiled for it and run by an emulator. */
export function armVariant(): OptionalVariant {
  const name = 'neon, emulated'
  const compiler = findCommand('aarch64-linux-gnu-gcc')
  const qemu = findCommand('qemu-aarch64') ?? findCommand('qemu-aarch64-static')
  if (compiler === null || qemu === null) return { name, missing: 'no cross compiler for arm64, or no qemu-user' }
  const emulator = [qemu.command, '-L', '/usr/aarch64-linux-gnu']
  return { name, compiler, options: compilerOptions('neon', false), rounds: 6, emulator }
}

/** The usual compiler without vector instructions beyond the base ones, and clang. */
export function otherVariants(): readonly OptionalVariant[] {
  // Older ones than 19 crash on some of these files.
  const names = [...Array.from({ length: 10 }, (_, i) => `clang-${28 - i}`), 'clang']
  const clang = names.map((name) => findCommand(name)).find((found) => found !== null)
  const usual = findCompiler()
  const [best] = processorLevels()
  if (best === undefined) return [{ name: 'other compilers', missing: 'no kernels for this processor' }]
  const extra = new Set(levelOptions[best])
  const base = compilerOptions(best, false).filter((option) => !extra.has(option))
  return [
    usual === null
      ? { name: 'base instructions', missing: 'no C compiler' }
      : { name: 'base instructions', compiler: usual, options: base, rounds: 20 },
    clang === undefined
      ? { name: 'clang', missing: 'clang 19 or later is not installed' }
      : { name: 'clang', compiler: clang, options: compilerOptions(best, false), rounds: 20 },
  ]
}

/** Compiles the whole library, leaves it in the cache where it has a name there, and returns the folder of its objects. */
export async function objectsOf({ name, compiler, options, prefix }: Variant, folder: string): Promise<string> {
  const objects = path.join(folder, name.replaceAll(/\W/g, ''))
  await mkdir(objects)
  const made = await compileLibrary(compiler, kernelSources().files, options, objects)
  if (prefix === undefined) return objects
  const { directory } = CacheDirectory.of('native')
  await mkdir(directory, { recursive: true })
  storeLibrary(made, directory, prefix)
  return objects
}

/** Compiles serve-library.c with all objects, and opens the library in a process of the emulator. */
export async function openEmulated(
  { compiler, options, emulator = [] }: Variant,
  objects: string,
  folder: string,
): Promise<EmulatedLibrary> {
  const program = path.join(folder, 'serve-library')
  const files = kernelSources().files.map((file) => path.join(objects, `${file}.o`))
  const sources = [path.join(import.meta.dirname, 'serve-library.c'), ...files]
  await execute(compiler.command, [...compiler.before, ...options, ...sources, '-o', program, '-lm', '-lpthread'])
  return openEmulatedLibrary([...emulator, program], folder)
}

/**
 * Compiles and runs the check of one family.
 *
 * @param folder for the program
 * @param objects compiled kernels; undefined: they are compiled here
 * @returns what it printed: `ok` and a line break, or each difference
 */
export async function checkFamily(
  { name, compiler, options, rounds, emulator = [] }: Variant,
  family: Family,
  folder: string,
  objects: string | undefined,
): Promise<string> {
  const files = kernelSources().files.filter((file) => file.startsWith(family))
  if (files.length < 2) throw new Error(`Expected several files of kernels named ${family}-*.c.`)
  const program = path.join(folder, `${family}-${name.replaceAll(/\W/g, '')}`)
  const inputOf = (file: string) =>
    objects === undefined ? path.join(kernelDirectory, file) : path.join(objects, `${file}.o`)
  const sources = [path.join(import.meta.dirname, `check-${family}.c`), ...files.map(inputOf)]
  await execute(compiler.command, [...compiler.before, ...options, ...sources, '-o', program, '-lm', '-lpthread'], {
    timeout: milliseconds,
    maxBuffer: 2 ** 24,
  })
  const [command, ...rest] = [...emulator, program, String(rounds)]
  const { stdout } = await execute(command, rest, { timeout: milliseconds }).catch(
    (error: { readonly stdout?: string; readonly stderr?: string }) => ({
      stdout: `${error.stdout ?? ''}${error.stderr ?? ''}` || String(error),
    }),
  )
  return stdout
}
