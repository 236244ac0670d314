import { afterEach, expect, test, vi } from 'vitest'
import { processorLevels } from '../engine/native/build/levels.ts'
import { engineRecord } from './engine-choice.ts'

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
