/**
 * The native engine's matrix products and attention against plain loops in double, by two C programs that are compiled
 * with the kernels: at every level of this processor, without vector instructions beyond the base ones, and under the
 * address sanitizer.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { compilerOptions, findCompiler } from '../../src/engine/native/build/compiler.ts'
import { levelOptions, processorLevels } from '../../src/engine/native/build/levels.ts'
import { kernelDirectory, kernelSources } from '../../src/engine/native/build/sources.ts'

vi.setConfig({ testTimeout: 900_000, hookTimeout: 60_000 })
const execute = promisify(execFile)
const compiler = findCompiler()
const levels = processorLevels()
const missing = compiler === null ? 'no C compiler' : levels.length === 0 ? 'no kernels for this processor' : null

interface Variant {
  readonly name: string
  readonly options: readonly string[]
  readonly rounds: number
}

function variants(): readonly Variant[] {
  if (levels.length === 0) return []
  const ofLevels = levels.map((level) => ({ name: level, options: compilerOptions(level, false), rounds: 40 }))
  const extra = new Set(levelOptions[levels[0]])
  const base = compilerOptions(levels[0], false).filter((option) => !extra.has(option))
  const sanitized = { name: `${levels[0]}, sanitized`, options: compilerOptions(levels[0], true), rounds: 12 }
  return [...ofLevels, { name: 'base instructions', options: base, rounds: 20 }, sanitized]
}

describe.skipIf(missing !== null)(`kernels of the native engine${missing === null ? '' : ` (${missing})`}`, () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'native-kernels-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  for (const { name, options, rounds } of variants()) {
    it.each(['linear', 'attention'])(`${name}: %s`, async (family) => {
      const files = kernelSources().files.filter((file) => file.startsWith(family))
      expect(files.length).toBeGreaterThan(1)
      const program = path.join(folder, `${family}-${name.replaceAll(/\W/g, '')}`)
      const sources = [
        path.join(import.meta.dirname, `check-${family}.c`),
        ...files.map((file) => path.join(kernelDirectory, file)),
      ]
      await execute(compiler?.command ?? '', [...options, ...sources, '-o', program, '-lm', '-lpthread'], {
        timeout: 400_000,
        maxBuffer: 2 ** 24,
      })
      const { stdout } = await execute(program, [String(rounds)], { timeout: 400_000 }).catch(
        (error: { readonly stdout?: string; readonly stderr?: string }) => ({
          stdout: `${error.stdout ?? ''}${error.stderr ?? ''}` || String(error),
        }),
      )
      expect(stdout).toBe('ok\n')
    })
  }
})
