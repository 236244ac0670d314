import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { openDataset } from './dataset.ts'
import { splitDataset } from './split.ts'
import { writeSplitFile } from './split-file.ts'

const folder = folderForTests('videomae-split-file-')
const data = path.join(folder, 'data')
const names = [' lead', 'trail ', 'a, b', 'say "so"', 'two\nlines', 'a\rb', '#5', 'plain'].filter(
  // Windows has no such names.
  (name) => process.platform !== 'win32' || !/["\n\r]| $/.test(name),
)

beforeAll(() => {
  for (const name of names) {
    mkdirSync(path.join(data, name), { recursive: true })
    for (let i = 0; i < 3; i++) writeFileSync(path.join(data, name, ` ${i}.mp4`), `${name} ${i}`)
  }
})

test('a run reads its own split, whatever classes and files are called', async () => {
  const { videos, classes } = await openDataset(data)
  expect(classes).toEqual([...names].sort())
  const split = splitDataset(videos, classes, { seed: 0, validation: 0.3, test: 0.3 })
  const file = path.join(folder, 'split.csv')
  await writeSplitFile(file, split)
  const again = await openDataset(file, { classes })
  const key = ({ path: video, label, digest }: (typeof videos)[number]): string =>
    JSON.stringify([video, label, digest])
  expect(again.videos.map(key).sort()).toEqual(videos.map(key).sort())
  const test = again.videos.filter((video) => video.split === 'test')
  expect(test.map(key)).toEqual(split.test.map(key))
})
