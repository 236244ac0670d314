import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { folderForTests } from '../support/folder-for-tests.ts'
import { runAsText, runHere } from '../support/run-here.ts'

const folder = folderForTests('videomae-dataset-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)

test('dataset names what is missing, ten of each kind at most, and writes all', async () => {
  mkdirSync(inFolder('videos'))
  writeFileSync(inFolder('videos', '0.webm'), 'not read')
  writeFileSync(inFolder('labels.json'), '{"A": "0", "B": "1"}')
  const items = Array.from({ length: 13 }, (_, i) => ({ id: String(i), template: 'A' }))
  writeFileSync(inFolder('train.json'), JSON.stringify(items))
  writeFileSync(inFolder('validation.json'), '[]')
  const [videos, out] = [inFolder('videos'), inFolder('out')]
  const { code, text } = await runAsText('dataset ssv2', videos, '--annotations', folder, '--out', out)
  expect(code).toBe(0)
  expect(text).toContain(`${path.join(out, 'ssv2.csv')}: 1 train\n`)
  expect(text).toMatch(/^12 missing, or several files have this name: 1, 10, 11, 12, 2, 3, 4, 5, 6, 7, and 2 more$/m)
  expect(text).toMatch(/^1 classes without a video: B$/m)
  expect(readFileSync(path.join(out, 'missing.txt'), 'utf8').trimEnd().split('\n')).toHaveLength(12)
  const { document } = await runHere('dataset ssv2', videos, '--annotations', folder, '--out', out)
  expect(document).toMatchObject({ name: 'ssv2', classes: ['A', 'B'], emptyClasses: ['B'] })
})
