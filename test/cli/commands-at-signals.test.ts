/** Commands that are told to stop in their first moments: each says so, and what continues it is something that it has. */
import { existsSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { certifyVotesCommand } from '../../src/cli/certify-votes.ts'
import { datasetCommand } from '../../src/cli/dataset.ts'
import { demoCommand } from '../../src/cli/demo.ts'
import { inspectCommand } from '../../src/cli/inspect.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'

let folder: string
const inFolder = (name: string): string => path.join(folder, name)
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'videomae-at-signals-'))
  await generateMotionDataset(inFolder('videos'), { clips: 4, size: 32, frames: 8 })
  writeFileSync(inFolder('votes.csv'), '0,0,1\n1,1,1\n')
})
afterAll(() => rm(folder, { recursive: true, force: true }))
afterEach(() => {
  vi.restoreAllMocks()
})

const commands: Record<string, () => Promise<void>> = {
  inspect: () => inspectCommand([inFolder('videos')], { timeout: 60 } as Parameters<typeof inspectCommand>[1]),
  'dataset duplicates': () => datasetCommand('duplicates', inFolder('videos'), { out: inFolder('duplicates') }),
  demo: () => demoCommand({ out: inFolder('demo'), json: true } as Parameters<typeof demoCommand>[0]),
  'certify --votes': () =>
    certifyVotesCommand(inFolder('votes.csv'), {
      ...{ classes: '2', learners: 3, rule: 'dpa', out: inFolder('votes'), quiet: true },
    } as unknown as Parameters<typeof certifyVotesCommand>[1]),
}

test.each(Object.keys(commands))('%s ends with a message that names no option it lacks', async (name) => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  const listeners = process.listenerCount('SIGTERM')
  const ended = commands[name]()
  expect(process.listenerCount('SIGTERM')).toBe(listeners + 1)
  process.emit('SIGTERM', 'SIGTERM')
  await expect(ended).rejects.toMatchObject({
    ...{ code: 'INTERRUPTED', exit: 'interrupted', message: 'Stopped by SIGTERM.' },
    hint: expect.stringMatching(/^(?!.*--resume).*[Rr]un the same command again/),
  })
  expect(process.listenerCount('SIGTERM')).toBe(listeners)
  expect(existsSync(path.join(inFolder('duplicates'), 'duplicates.json'))).toBe(false)
})
