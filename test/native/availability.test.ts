/** What happens where the native engine cannot run, and which engine `auto` then is. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { automaticEngine } from '../../src/engine/automatic.ts'
import { findLibrary, obtainLibrary } from '../../src/engine/native/build/library-file.ts'
import { nativeEngine } from '../../src/engine/native/index.ts'
import { nativeMissing, nativeTimeouts } from './native-cases.ts'

vi.setConfig(nativeTimeouts)
const runsHere = nativeMissing() === null
let folder = ''

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'videomae-availability-'))
  for (const name of ['CC', 'VIDEOMAE_CC', 'VIDEOMAE_NATIVE_LEVEL']) vi.stubEnv(name, '')
  vi.stubEnv('VIDEOMAE_CACHE', folder)
  vi.stubEnv('PATH', path.join(folder, 'no-programs'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

test('without a compiler and without kernels the engine says what is missing', async () => {
  const { available, detail } = await nativeEngine.probe()
  expect(available).toBe(false)
  if (runsHere) expect(detail).toContain('no C compiler')
  await expect(nativeEngine.open([])).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE', exit: 'environment' })
})

test('auto is then onnx, and one line says why', async () => {
  const lines: string[] = []
  const { name } = await automaticEngine((line) => lines.push(line))
  expect(name).toBe('onnx')
  expect(lines).toHaveLength(1)
  expect(lines[0]).toMatch(/^Using the engine onnx\. .+/)
})

test.skipIf(!runsHere)('a compiler that fails is not tried again, and auto is onnx', async () => {
  const compiler = path.join(folder, 'broken-cc')
  writeFileSync(compiler, '#!/bin/sh\necho "error: this compiler cannot compile" >&2\nexit 1\n', { mode: 0o755 })
  vi.stubEnv('VIDEOMAE_CC', compiler)
  vi.stubEnv('PATH', '/bin:/usr/bin')
  expect(findLibrary().kind).toBe('compilable')
  await expect(obtainLibrary(() => undefined)).rejects.toMatchObject({ code: 'KERNEL_COMPILATION_FAILED' })
  const lines: string[] = []
  expect((await automaticEngine((line) => lines.push(line))).name).toBe('onnx')
  expect(lines[0]).toContain('could not compile')
  expect(findLibrary()).toMatchObject({ kind: 'missing', why: expect.stringContaining('cannot compile') })
  expect(readdirSync(path.join(folder, 'native')).filter((name) => name.startsWith('compile-'))).toEqual([])
})

test.skipIf(!runsHere)('a compiler that was stopped, or ran out of memory, is tried again', async () => {
  const compiler = path.join(folder, 'stopped-cc')
  const lines = ['#!/bin/sh', 'echo "cc: fatal error: Killed signal terminated program cc1" >&2', 'exit 1', '']
  writeFileSync(compiler, lines.join('\n'), { mode: 0o755 })
  vi.stubEnv('VIDEOMAE_CC', compiler)
  vi.stubEnv('PATH', '/bin:/usr/bin')
  await expect(obtainLibrary(() => undefined)).rejects.toMatchObject({ code: 'KERNEL_COMPILATION_FAILED' })
  expect(findLibrary().kind).toBe('compilable')
})

test.skipIf(!runsHere)('kernels that this system cannot load are never used, and auto is onnx', async () => {
  const compiler = path.join(folder, 'other-cc')
  const script = ['#!/bin/sh', 'while [ "$1" != -o ]; do shift; done', 'echo "for another system" > "$2"', '']
  writeFileSync(compiler, script.join('\n'), { mode: 0o755 })
  vi.stubEnv('VIDEOMAE_CC', compiler)
  vi.stubEnv('PATH', '/bin:/usr/bin')
  const lines: string[] = []
  expect((await automaticEngine((line) => lines.push(line))).name).toBe('onnx')
  expect(lines[0]).toContain('cannot load')
  expect(findLibrary().kind).toBe('compilable')
})

test.skipIf(!runsHere)('a level that the processor does not have is refused', async () => {
  vi.stubEnv('VIDEOMAE_NATIVE_LEVEL', 'avx1024')
  const { available, detail } = await nativeEngine.probe()
  expect(available).toBe(false)
  expect(detail).toContain('VIDEOMAE_NATIVE_LEVEL')
})
