import { expect, test } from 'vitest'
import { automaticCandidates, automaticEngine, namedByVariable, selectedEngine } from './automatic.ts'
import type { Engine } from './engine.ts'

/** Engines of which these run. */
const machine =
  (...running: readonly string[]) =>
  async (name: string): Promise<Engine> => ({
    name,
    probe: async () => ({ available: running.includes(name), detail: `${name} is missing.` }),
    open: () => Promise.reject(new Error('not opened here')),
  })

async function chosen(running: readonly string[]) {
  const lines: string[] = []
  const { name } = await automaticEngine((line) => lines.push(line), { variables: {}, engine: machine(...running) })
  return { name, lines }
}

test('auto is cuda where it runs, then native, then onnx', async () => {
  expect(await chosen(['onnx', 'native', 'cuda', 'webgpu'])).toEqual({ name: 'cuda', lines: [] })
  expect(await chosen(['onnx', 'native', 'webgpu'])).toMatchObject({ name: 'native' })
  const { name, lines } = await chosen(['onnx', 'webgpu', 'tfjs', 'reference'])
  expect(name).toBe('onnx')
  expect(lines.join()).toMatch(/^Using the engine onnx\. .*native is missing\.$/)
})

test('auto is never webgpu or tfjs', async () => {
  await expect(chosen(['webgpu', 'tfjs'])).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' })
})

test('cuda is not tried for another device, nor in one of several ranks', () => {
  const candidates = (device: string | null, variables = {}) => automaticCandidates({ device, variables })
  expect(candidates(null)).toEqual(['cuda', 'native', 'onnx', 'reference'])
  expect(candidates('cuda:1')[0]).toBe('cuda')
  expect(candidates('cpu')[0]).toBe('native')
  expect(candidates(null, { OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_SIZE: '2' })[0]).toBe('native')
  expect(candidates(null, { OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_SIZE: '1' })[0]).toBe('cuda')
})

test('a variable names what auto stands for', () => {
  expect(namedByVariable({})).toBeNull()
  expect(namedByVariable({ VIDEOMAE_ENGINE: '' })).toBeNull()
  expect(namedByVariable({ VIDEOMAE_ENGINE: 'auto' })).toBeNull()
  expect(namedByVariable({ VIDEOMAE_ENGINE: 'native' })).toBe('native')
  expect(namedByVariable({ VIDEOMAE_ENGINE: 'cpu' })).toBeNull()
  expect(automaticCandidates({ variables: { VIDEOMAE_ENGINE: 'cpu' } })[0]).toBe('native')
})

test('the name of the engine that is used is known before the engine is ready', async () => {
  const selected = (name: string | null, variables = {}, ...running: readonly string[]) =>
    selectedEngine(name, { variables, engine: machine(...running) })
  expect(await selected('tfjs', { VIDEOMAE_ENGINE: 'onnx' }, 'cuda')).toBe('tfjs')
  expect(await selected('auto', { VIDEOMAE_ENGINE: 'webgpu' }, 'cuda')).toBe('webgpu')
  expect(await selected(null, {}, 'cuda', 'native')).toBe('cuda')
  expect(await selected(null, { VIDEOMAE_ENGINE: 'cpu' }, 'cuda', 'native')).toBe('native')
  expect(await selected(null, {}, 'webgpu')).toBeNull()
})
