import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

const folder = folderForTests('videomae-generate-')

test('the same seed gives the same files, byte for byte', async () => {
  const options = { clips: 30, size: 32, frames: 8, seed: 2, classes: ['left', 'right', 'clockwise'] } as const
  const [first, ...others] = await Promise.all(
    Array.from({ length: 5 }, async (_, i) => {
      const { files } = await generateMotionDataset(path.join(folder, String(i)), { ...options })
      return files.map((file) => readFileSync(file).toString('base64'))
    }),
  )
  for (const files of others) expect(files).toEqual(first)
})
