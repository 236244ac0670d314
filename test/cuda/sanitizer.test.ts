/**
 * Kernels under the address sanitizer, in a process of their own. By default the one with the most intricate indexing;
 * with VIDEOMAE_CUDA_SANITIZE=all every operation (minutes).
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test, vi } from 'vitest'
import { compilationTimeouts, emulationMissing } from '../support/cuda-emulation/build.ts'
import { slowMissing } from '../support/slow.ts'

vi.setConfig(compilationTimeouts)
const library = (): string =>
  spawnSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout?.trim() ?? ''
const missing =
  slowMissing ?? emulationMissing() ?? (existsSync(library()) ? null : 'the address sanitizer of g++ is not installed')

const all = process.env.VIDEOMAE_CUDA_SANITIZE === 'all'

function sanitize(...names: readonly string[]) {
  const script = fileURLToPath(new URL('./sanitize.ts', import.meta.url))
  return spawnSync(process.execPath, ['--import', 'tsx', script, ...names], {
    encoding: 'utf8',
    env: { ...process.env, LD_PRELOAD: library(), ASAN_OPTIONS: 'detect_leaks=0:detect_stack_use_after_return=0' },
  })
}

describe.skipIf(missing !== null)(
  `kernels under the address sanitizer${missing === null ? '' : ` (${missing})`}`,
  () => {
    test('a planted bad access is found', () => {
      const { status, stderr } = sanitize('planted')
      expect(status).not.toBe(0)
      expect(stderr).toContain('heap-buffer-overflow')
    })

    test('access nothing but their arguments', { timeout: all ? 1_800_000 : undefined }, () => {
      const names = all ? ['all'] : ['attentionGradient']
      const { stdout, stderr, status } = sanitize(...names)
      expect(stderr).not.toContain('AddressSanitizer')
      expect(stdout).toMatch(/\d+ runs without a bad access/)
      expect(status).toBe(0)
    })
  },
)
