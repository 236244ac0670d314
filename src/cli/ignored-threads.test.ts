import { expect, test } from 'vitest'
import type { Engine } from '../engine/engine.ts'
import { refuseIgnoredThreads } from './ignored-threads.ts'

/** A machine on which these engines run. */
const running =
  (...names: readonly string[]) =>
  async (name: string): Promise<Engine> => ({
    name,
    probe: async () => ({ available: names.includes(name), detail: '' }),
    open: () => Promise.reject(new Error('not opened here')),
  })

const refusal = (
  given: Parameters<typeof refuseIgnoredThreads>[0],
  variables: Readonly<Record<string, string>>,
  ...engines: readonly string[]
) =>
  refuseIgnoredThreads(given, { variables, engine: running(...engines) }).then(
    () => null,
    (error: Error) => error.message,
  )

test('threads are refused with an engine that has none, whoever has chosen it', async () => {
  expect(await refusal({ engine: 'webgpu', threads: 4 }, {})).toContain('with --engine webgpu')
  expect(await refusal({ threads: 4 }, { VIDEOMAE_ENGINE: 'webgpu' })).toContain('with VIDEOMAE_ENGINE=webgpu')
  expect(await refusal({ engine: 'auto', threads: 4 }, { VIDEOMAE_ENGINE: 'tfjs' })).toContain('VIDEOMAE_ENGINE=tfjs')
  expect(await refusal({ threads: 4 }, {}, 'cuda', 'native')).toContain('with the engine cuda')
})

test('threads are accepted with an engine that has them, and without an engine', async () => {
  expect(await refusal({ threads: 4 }, {}, 'native')).toBeNull()
  expect(await refusal({ engine: 'native', threads: 4 }, { VIDEOMAE_ENGINE: 'webgpu' })).toBeNull()
  expect(await refusal({ threads: 4 }, { VIDEOMAE_ENGINE: 'cpu' }, 'cuda', 'native')).toBeNull()
  expect(await refusal({}, { VIDEOMAE_ENGINE: 'webgpu' })).toBeNull()
  // ONNX Runtime runs it.
  expect(await refusal({ threads: 4, from: 'classifier.onnx' }, { VIDEOMAE_ENGINE: 'webgpu' })).toBeNull()
})
