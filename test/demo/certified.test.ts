/** The certificates of the demo. Oracle: `verify`, which recomputes them, and the lists that they are made of. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { certificateText } from '../../src/cli/demo.ts'
import { certifyDemo } from '../../src/demo/certified.ts'
import { runDemo } from '../../src/demo/demo.ts'
import { parameterShapes } from '../../src/model/parameters.ts'
import { saveCheckpointDirectory } from '../../src/model/save-checkpoint.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { runHere } from '../support/run-here.ts'
import { shakenState, tinyConfiguration } from '../support/tiny-model.ts'

const folder = folderForTests('videomae-demo-')
const inFolder = (...parts: string[]): string => path.join(folder, ...parts)

test('certifies on labeled clips, with the encoder and with fresh weights, and writes what verify checks', async () => {
  const configuration = tinyConfiguration({ imageSize: [12, 16] })
  const state = shakenState(parameterShapes(configuration, 'pretrain'))
  await saveCheckpointDirectory(inFolder('encoder'), { configuration, kind: 'pretrain', state })
  const made = await certifyDemo({ out: folder, run: inFolder('encoder'), train: 12, test: 4, engine: 'reference' })
  expect(made).toMatchObject({ train: 12, test: 4, partitions: 3, classes: 4 })
  const rows = readFileSync(made.list, 'utf8').trim().split('\n').slice(1)
  expect(rows.filter((row) => row.endsWith(',train'))).toHaveLength(12)
  expect(rows.filter((row) => row.endsWith(',test'))).toHaveLength(4)
  for (const { folder: certificate, certified, accuracy, single } of [made.pretrained, made.fresh]) {
    const { code, document } = await runHere('verify', certificate)
    expect(document.error, JSON.stringify(document)).toBeUndefined()
    expect(code).toBe(0)
    expect(certified[0] ?? 0).toBeLessThanOrEqual(accuracy)
    expect(single).toBeLessThanOrEqual(1)
    expect(existsSync(path.join(certificate, 'certificate.json'))).toBe(true)
  }
})

test('refuses too few videos for a step before it removes what an earlier demo made', async () => {
  const out = inFolder('earlier')
  mkdirSync(path.join(out, 'videos'), { recursive: true })
  for (const name of ['.videomae-demo', 'videos/kept.mp4']) writeFileSync(path.join(out, name), '')
  await expect(runDemo({ out, clips: 15 })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('at least 16'),
  })
  expect(existsSync(path.join(out, 'videos/kept.mp4'))).toBe(true)
})

test('says the numbers of both, and the claim', () => {
  const ensemble = {
    folder: 'certified',
    single: 0.47,
    accuracy: 0.62,
    certified: [0.62, 0.35, 0.14, 0],
    meanRadius: 0.51,
  }
  const fresh = { ...ensemble, single: 0.32, accuracy: 0.57, certified: [0.57, 0.05], meanRadius: 0.06 }
  const text = certificateText({
    ...{ list: 'split.csv', train: 480, test: 160, partitions: 20, classes: 4, pretrained: ensemble, fresh },
  })
  expect(text).toMatch(
    /^Certificate: 480 labeled videos are divided among 20 classifiers, 24 for each, which vote on 160 other videos \(chance 25\.0 %\)\.$/m,
  )
  expect(text).toMatch(/right, and proved against 1 poisoned video +35\.0 % +5\.0 %$/m)
  expect(text).toMatch(/right, and proved against 2 poisoned videos +14\.0 % +0\.0 %$/m)
  expect(text).toContain('the largest r here is 2.')
})
