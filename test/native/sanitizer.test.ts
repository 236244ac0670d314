/** Every kernel under the address sanitizer, in a process of its own, with every value in memory of its own. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test, vi } from 'vitest'
import { findCompiler } from '../../src/engine/native/build/compiler.ts'
import { operations } from '../../src/graph/operations/index.ts'
import { slowMissing } from '../support/slow.ts'
import { nativeMissing, nativeTimeouts } from './native-cases.ts'

vi.setConfig({ testTimeout: 2 * nativeTimeouts.testTimeout })

/** The library that the compiler links sanitized code with, where it has one. */
function sanitizerLibrary(): string {
  const compiler = findCompiler()
  if (compiler === null) return ''
  return spawnSync(compiler.command, ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout?.trim() ?? ''
}

const library = sanitizerLibrary()
const missing =
  slowMissing ??
  nativeMissing() ??
  (existsSync(library) ? null : 'the address sanitizer of the compiler is not installed')

function sanitize(...names: readonly string[]) {
  const script = fileURLToPath(new URL('./sanitize.ts', import.meta.url))
  return spawnSync(process.execPath, ['--import', 'tsx', script, ...names], {
    encoding: 'utf8',
    env: {
      ...process.env,
      VIDEOMAE_NATIVE_SANITIZE: '1',
      LD_PRELOAD: library,
      ASAN_OPTIONS: 'detect_leaks=0:detect_stack_use_after_return=0',
    },
  })
}

describe.skipIf(missing !== null)(
  `native kernels under the address sanitizer${missing === null ? '' : ` (${missing})`}`,
  () => {
    test('a planted bad access is found', () => {
      const { status, stderr } = sanitize('planted')
      expect(status).not.toBe(0)
      expect(stderr).toContain('heap-buffer-overflow')
    })

    test('access nothing but their arguments', () => {
      const { stdout, stderr, status } = sanitize(...Object.keys(operations))
      expect(stderr).not.toContain('AddressSanitizer')
      expect(stdout).toMatch(/\d+ runs without a bad access/)
      expect(status, stderr).toBe(0)
    })
  },
)
