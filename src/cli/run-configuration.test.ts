import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Override } from '../train/configuration-file.ts'
import { chooseConfiguration, requireData } from './run-configuration.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'run-configuration-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('names the folder in which there is no run to continue', () => {
  const message = (out: string | null): string => {
    try {
      requireData(null, 'pretrain', out)
    } catch (error) {
      return (error as Error).message
    }
    return ''
  }
  const missing = path.join(folder, 'mistyped')
  expect(message(missing)).toContain('no config.json')
  expect(message(missing)).toContain(missing)
  expect(message(null)).toMatch(/neither the command nor a recipe/)
  expect(() => requireData('videos', 'pretrain', missing)).not.toThrow()
})

test('continues with the engine that the run has chosen, whatever this machine would choose', async () => {
  await writeFile(path.join(folder, 'config.json'), JSON.stringify({ engine: { name: null }, engineUsed: 'onnx' }))
  const load = ({ overrides }: { readonly overrides: readonly Override[] }) => Promise.resolve(overrides.at(-1)?.value)
  const { configuration, own } = await chooseConfiguration<unknown>({
    ...{ out: folder, resume: true, recipe: null, otherwise: null, overrides: [], load },
    plain: (name) => ({ engine: { name } }),
  })
  expect([configuration, own]).toEqual(['onnx', true])
})
