import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { makeTemporaryFolder } from '../../core/make-folder.ts'
import { watchRuns } from './watch-runs.ts'

const folder = makeTemporaryFolder('watch-runs')
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const run = path.join(folder, 'run')
mkdirSync(run)
writeFileSync(path.join(run, 'metrics.jsonl'), '')

test.each([
  ['no run', [], 'INVALID_ARGUMENT'],
  ['a run twice', [run, `${run}/.`], 'INVALID_ARGUMENT'],
  ['more runs than there are colors', Array.from({ length: 50 }, (_, i) => `${run}${i}`), 'INVALID_ARGUMENT'],
  ['a folder that is no run', [run, folder], 'REPORT_NOTHING_FOUND'],
])('%s is refused', async (_, runs, code) => {
  await expect(watchRuns(runs)).rejects.toMatchObject({ code })
})

test('a run is served under the name it is given until the page is closed', async () => {
  const page = await watchRuns([{ name: 'mine', folder: run }])
  const text = await fetch(page.address).then((response) => response.text())
  expect(text).toContain('Training run mine')
  await page.close()
  await expect(fetch(page.address)).rejects.toThrow()
})
