import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { VideoMaeError } from '../core/errors.ts'
import { type Engine, engineNamed, engineNames } from '../engine/index.ts'
import { processorLevels } from '../engine/native/build/levels.ts'
import { chooseEngine, continuesRun, engineRecord } from './engine-choice.ts'

const levels = processorLevels()
afterEach(() => vi.unstubAllEnvs())

test.skipIf(levels.length === 0)(
  'records the processor level of the native engine: its numbers depend on it',
  async () => {
    vi.stubEnv('VIDEOMAE_NATIVE_LEVEL', '')
    expect(await engineRecord('native')).toBe(`native ${levels[0]}`)
    vi.stubEnv('VIDEOMAE_NATIVE_LEVEL', levels.at(-1))
    expect(await engineRecord('native')).toBe(`native ${levels.at(-1)}`)
  },
)

test('records the name of an engine whose numbers have no variant', async () => {
  expect(await engineRecord('onnx')).toBe('onnx')
})

test.for([
  ['native', { precision: 'float16' }, 'INVALID_ARGUMENT'],
  ['native', { device: 'cuda' }, 'INVALID_ARGUMENT'],
  ['onnx', { precision: 'bfloat16' }, 'INVALID_ARGUMENT'],
  ['onnx', { device: 'nowhere' }, 'ENGINE_UNAVAILABLE'],
  ['onnx', { recompute: 'cheap' }, 'INVALID_ARGUMENT'],
  ['tfjs', { precision: 'float16' }, 'INVALID_ARGUMENT'],
  ['tfjs', { device: 'nowhere' }, 'ENGINE_UNAVAILABLE'],
] as const)('%s refuses %o before anything is opened', async ([name, options, code], { skip }) => {
  if (!(await (await engineNamed(name)).probe()).available) skip(`the engine ${name} does not run here`)
  await expect(chooseEngine(name, options)).rejects.toMatchObject({ code })
  await expect(chooseEngine(name, { device: null, precision: 'float32', recompute: 'none' })).resolves.toMatchObject({
    name,
  })
})

// Whether or not they run here.
test.for([
  ['cuda', { device: 'gpu:0' }],
  ['cuda', { precision: 'float16' }],
  ['webgpu', { precision: 'bfloat16' }],
  ['webgpu', { device: 'cuda' }],
  ['webgpu', { recompute: 'blocks' }],
] as const)('%s refuses %o', async ([name, options]) => {
  const engine = await engineNamed(name)
  await expect(engine.requireOptions?.(options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})

test('a variable that names no engine is named in the error', async () => {
  vi.stubEnv('VIDEOMAE_ENGINE', 'cpuu')
  await expect(chooseEngine(null)).rejects.toMatchObject({
    code: 'ENGINE_UNKNOWN',
    message: expect.stringMatching(/VIDEOMAE_ENGINE to be one of auto, cpu, .*"cpuu"/),
  })
})

test.for(engineNames)('%s refuses a number of threads that is none', async (name) => {
  const engine = await engineNamed(name)
  await expect(engine.requireOptions?.({ threads: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  await expect(engine.requireOptions?.({ threads: 2 })).resolves.toBeUndefined()
})

test('webgpu refuses several ranks', async () => {
  const ranks = { transport: 'mpi', library: '', size: 2 } as const
  const engine = await engineNamed('webgpu')
  await expect(engine.requireOptions?.({ ranks })).rejects.toMatchObject({ code: 'PROGRAM_UNSUPPORTED' })
  await expect(engine.requireOptions?.({ ranks: { ...ranks, size: 1 } })).resolves.toBeUndefined()
})

/** An engine that refuses a device or a precision that this machine lacks. */
const refusing: Engine = {
  name: 'refusing',
  probe: async () => ({ available: true, detail: '' }),
  open: () => Promise.reject(new Error('not opened here')),
  async requireOptions({ device, precision }) {
    if (device === undefined && precision !== 'float16') return
    throw new VideoMaeError('Not here.', { code: 'ENGINE_UNAVAILABLE', exit: 'environment', hint: 'Choose another.' })
  },
}

test('a run that is resumed is not told to change its engine or its precision', async () => {
  const hintOf = (engine: Engine | string, wanted: Parameters<typeof chooseEngine>[1], continues: boolean) =>
    chooseEngine(engine, wanted, continues).then(
      () => null,
      ({ code, exit, hint }) => ({ code, exit, hint }),
    )
  const environment = { code: 'ENGINE_UNAVAILABLE', exit: 'environment' }
  const keeps = { ...environment, hint: expect.stringMatching(/keeps its engine and its precision.*model\.from/) }
  expect(await hintOf(refusing, { precision: 'float16' }, true)).toEqual(keeps)
  expect(await hintOf(refusing, { precision: 'float16' }, false)).toEqual({ ...environment, hint: 'Choose another.' })
  // The device may change.
  expect(await hintOf(refusing, { device: 'here' }, true)).toEqual({ ...environment, hint: 'Choose another.' })
  const levels = vi.stubEnv('VIDEOMAE_NATIVE_LEVEL', 'none')
  expect(await hintOf('native', {}, true)).toEqual(keeps)
  expect(await hintOf('native', {}, false)).toMatchObject({ hint: expect.stringContaining('Leave the engine out') })
  levels.unstubAllEnvs()
})

test('a run continues where its folder has a configuration', () => {
  const out = mkdtempSync(path.join(os.tmpdir(), 'videomae-continues-'))
  try {
    expect(continuesRun({ resume: true, out })).toBe(false)
    writeFileSync(path.join(out, 'config.json'), '{}')
    expect(continuesRun({ resume: true, out })).toBe(true)
    expect(continuesRun({ out })).toBe(false)
  } finally {
    rmSync(out, { recursive: true })
  }
})
