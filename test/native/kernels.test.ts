/**
 * The native engine's matrix products and attention against plain loops in double, by two C programs that are compiled
 * with the kernels: at every level of this processor, without vector instructions beyond the base ones, under the
 * address sanitizer, by clang where it is installed, and for 64-bit ARM where a cross compiler and qemu-user are.
 *
 * Compiling takes most of the time. The levels that only tests use are compiled once, as whole libraries, and left in the cache,
 * where the other tests find them.
 */
import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  type Compiler,
  compileLibrary,
  compilerOptions,
  findCommand,
  findCompiler,
} from '../../src/engine/native/build/compiler.ts'
import { levelOptions, processorLevels } from '../../src/engine/native/build/levels.ts'
import { cachedLibrary } from '../../src/engine/native/build/library-file.ts'
import { kernelDirectory, kernelSources } from '../../src/engine/native/build/sources.ts'

vi.setConfig({ testTimeout: 900_000, hookTimeout: 60_000 })
const execute = promisify(execFile)
const compiler = findCompiler()
const levels = processorLevels()
const missing = compiler === null ? 'no C compiler' : levels.length === 0 ? 'no kernels for this processor' : null

interface Variant {
  readonly name: string
  readonly compiler: Compiler
  readonly options: readonly string[]
  readonly rounds: number
  /** Where the whole library goes. Null: only the files that are checked are compiled. */
  readonly library?: string
  /** What runs programs of another processor. */
  readonly emulator?: readonly string[]
  /** Why it is skipped. */
  readonly missing?: string
}

function variants(): readonly Variant[] {
  if (compiler === null || levels.length === 0) return []
  const usual = { compiler, rounds: 40 }
  const ofLevels = levels.map((level, i) => ({
    ...usual,
    name: level,
    options: compilerOptions(level, false),
    // Other tests begin at once with the best level, and compile it themselves.
    library: i === 0 ? undefined : cachedLibrary(level, compiler, false),
  }))
  const extra = new Set(levelOptions[levels[0]])
  const base = compilerOptions(levels[0], false).filter((option) => !extra.has(option))
  const sanitized = {
    ...{ name: `${levels[0]}, sanitized`, compiler, options: compilerOptions(levels[0], true), rounds: 12 },
    library: cachedLibrary(levels[0], compiler, true),
  }
  return [
    ...ofLevels,
    { ...usual, name: 'base instructions', options: base, rounds: 20 },
    sanitized,
    ...otherCompiler(),
    ...otherProcessor(compiler),
  ]
}

/** clang, where it is installed beside the compiler that is used. */
function otherCompiler(): readonly Variant[] {
  // Older ones than 19 crash on some of these files.
  const names = [...Array.from({ length: 10 }, (_, i) => `clang-${28 - i}`), 'clang']
  const clang = names.map(findCommand).find((found) => found !== null)
  const common = { name: 'clang', options: compilerOptions(levels[0], false), rounds: 20 }
  if (clang === undefined)
    return [{ ...common, compiler: compiler as Compiler, missing: 'clang 19 or later is not installed' }]
  return [{ ...common, compiler: clang }]
}

/** Compiles the whole library, leaves it at `library`, and returns the folder of the objects that it was made from. */
async function objectsOf({ name, compiler, options }: Variant, library: string, folder: string): Promise<string> {
  const objects = path.join(folder, name.replaceAll(/\W/g, ''))
  await mkdir(objects)
  const made = await compileLibrary(compiler, kernelSources().files, options, objects)
  await mkdir(path.dirname(library), { recursive: true })
  // Renamed beside the target, so that nobody finds half of it.
  await copyFile(made, `${library}.${process.pid}`)
  await rename(`${library}.${process.pid}`, library)
  return objects
}

/** Kernels for 64-bit ARM, run by an emulator. */
function otherProcessor(fallback: Compiler): readonly Variant[] {
  const cross = findCommand('aarch64-linux-gnu-gcc')
  const qemu = findCommand('qemu-aarch64') ?? findCommand('qemu-aarch64-static')
  const common = { name: 'neon, emulated', options: compilerOptions('neon', false), rounds: 6 }
  if (cross === null || qemu === null)
    return [{ ...common, compiler: fallback, missing: 'no cross compiler for arm64, or no qemu-user' }]
  return [{ ...common, compiler: cross, emulator: [qemu.command, '-L', '/usr/aarch64-linux-gnu'] }]
}

describe.skipIf(missing !== null)(`kernels of the native engine${missing === null ? '' : ` (${missing})`}`, () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'native-kernels-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  for (const variant of variants()) {
    const { name, compiler, options, rounds, emulator = [], library, missing: why } = variant
    let objects: Promise<string> | undefined
    const title = why === undefined ? name : `${name} (${why})`
    it.skipIf(why !== undefined).each(['linear', 'attention'])(`${title}: %s`, async (family) => {
      const files = kernelSources().files.filter((file) => file.startsWith(family))
      expect(files.length).toBeGreaterThan(1)
      const program = path.join(folder, `${family}-${name.replaceAll(/\W/g, '')}`)
      if (library !== undefined) objects ??= objectsOf(variant, library, folder)
      const made = await objects
      const inputOf = (file: string) =>
        made === undefined ? path.join(kernelDirectory, file) : path.join(made, `${file}.o`)
      const sources = [path.join(import.meta.dirname, `check-${family}.c`), ...files.map(inputOf)]
      await execute(compiler.command, [...options, ...sources, '-o', program, '-lm', '-lpthread'], {
        timeout: 400_000,
        maxBuffer: 2 ** 24,
      })
      const [command, ...rest] = [...emulator, program, String(rounds)]
      const { stdout } = await execute(command, rest, { timeout: 400_000 }).catch(
        (error: { readonly stdout?: string; readonly stderr?: string }) => ({
          stdout: `${error.stdout ?? ''}${error.stderr ?? ''}` || String(error),
        }),
      )
      expect(stdout).toBe('ok\n')
    })
  }
})
