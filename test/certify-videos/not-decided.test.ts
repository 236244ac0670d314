/** A video that could not be decoded this time is not left out: another protected set would be certified. */
import { readdirSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import path from 'node:path'
import { expect, test, vi } from 'vitest'
import { planCertification } from '../../src/certify/videos/plan.ts'
import { prepareSets } from '../../src/certify/videos/prepare.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000 })

const folder = folderForTests('videomae-not-decided-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)

test('a file that changes between its digest and its decoding ends the certification; the next one takes it as it is', async () => {
  const classes = ['left', 'right'] as const
  await generateMotionDataset(inFolder('videos'), { clips: 8, size: 32, frames: 8, seed: 1, classes })
  await generateMotionDataset(inFolder('others'), { clips: 1, size: 32, frames: 8, seed: 2, classes: ['left'] })
  const options = {
    data: inFolder('videos'),
    from: 'pixels',
    cache: inFolder('store'),
    threads: 1,
    workers: 1,
    processes: decoding,
    testShare: 0.3,
  }
  const plan = await planCertification(options)
  const [changed] = plan.split.train
  const [other] = readdirSync(inFolder('others'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.mp4'),
  )
  await cp(inFolder('others', other), changed.path)
  await expect(prepareSets(plan, options)).rejects.toMatchObject({
    ...{ code: 'VIDEO_NOT_DECIDED', exit: 'environment' },
    message: expect.stringContaining(changed.id),
  })
  const again = await planCertification(options)
  const { set, test, leftOut } = await prepareSets(again, options)
  expect([set.rows + test.rows, leftOut]).toEqual([8, []])
})
