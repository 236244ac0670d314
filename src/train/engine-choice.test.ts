import { afterEach, expect, test, vi } from 'vitest'
import { engineNamed } from '../engine/index.ts'
import { processorLevels } from '../engine/native/build/levels.ts'
import { chooseEngine, engineRecord } from './engine-choice.ts'

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
