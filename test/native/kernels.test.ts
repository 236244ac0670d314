/**
 * The native engine's matrix products and attention against plain loops in double, by two C programs that are compiled
 * with the kernels: at every level of this processor, without vector instructions beyond the base ones, under the
 * address sanitizer, by clang where it is installed, and for 64-bit ARM where a cross compiler and qemu-user are.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Compiler, compilerOptions, findCommand, findCompiler } from '../../src/engine/native/build/compiler.ts'
import { levelOptions, processorLevels } from '../../src/engine/native/build/levels.ts'
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
  /** What runs programs of another processor. */
  readonly emulator?: readonly string[]
  /** Why it is skipped. */
  readonly missing?: string
}

function variants(): readonly Variant[] {
  if (compiler === null || levels.length === 0) return []
  const usual = { compiler, rounds: 40 }
  const ofLevels = levels.map((level) => ({ ...usual, name: level, options: compilerOptions(level, false) }))
  const extra = new Set(levelOptions[levels[0]])
  const base = compilerOptions(levels[0], false).filter((option) => !extra.has(option))
  const sanitized = { name: `${levels[0]}, sanitized`, compiler, options: compilerOptions(levels[0], true), rounds: 12 }
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

  for (const { name, compiler, options, rounds, emulator = [], missing: why } of variants()) {
    const title = why === undefined ? name : `${name} (${why})`
    it.skipIf(why !== undefined).each(['linear', 'attention'])(`${title}: %s`, async (family) => {
      const files = kernelSources().files.filter((file) => file.startsWith(family))
      expect(files.length).toBeGreaterThan(1)
      const program = path.join(folder, `${family}-${name.replaceAll(/\W/g, '')}`)
      const sources = [
        path.join(import.meta.dirname, `check-${family}.c`),
        ...files.map((file) => path.join(kernelDirectory, file)),
      ]
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
