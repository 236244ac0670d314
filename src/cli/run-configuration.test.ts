import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { requireData } from './run-configuration.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'run-configuration-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it('names the folder in which there is no run to continue', () => {
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
