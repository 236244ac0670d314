/** Files that cannot be decoded: each row of them is left out by name, and no other row. */
import { copyFileSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test, vi } from 'vitest'
import { computePixels } from '../../src/certify/videos/pixels.ts'
import { planCertification } from '../../src/certify/videos/plan.ts'
import { prepareLearners } from '../../src/certify/videos/prepare.ts'
import { fileDigest } from '../../src/format/file-digest.ts'
import { freshEncoder } from '../../src/inference/encoder-source.ts'
import { computeFeatures } from '../../src/inference/features.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { runSchema } from '../../src/train/configuration.ts'
import { pretrain } from '../../src/train/pretrain.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { tinyConfiguration } from '../support/tiny-model.ts'
import { tinyRun } from '../support/tiny-pretraining-input.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-undecodable-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)
const sampling = { kind: 'dense', stride: 1, fps: null } as const
const options = (name: string) => ({ cache: inFolder(name), workers: 1, threads: 1, processes: decoding })
const video = async (id: string, file: string) => ({ id, path: file, digest: await fileDigest(file) })
let good = ''
let bad = ''
let copy = ''

beforeAll(async () => {
  await generateMotionDataset(inFolder('videos'), {
    clips: 2,
    size: 32,
    frames: 8,
    seed: 1,
    classes: ['left', 'right'],
  })
  const names = readdirSync(inFolder('videos'), { recursive: true, encoding: 'utf8' })
  good = inFolder('videos', names.filter((name) => name.endsWith('.mp4'))[0])
  bad = inFolder('bad.mp4')
  copy = inFolder('copy.mp4')
  for (const name of [bad, copy]) writeFileSync(name, 'no video')
  await pretrain(
    runSchema.parse(
      tinyRun(inFolder('videos'), {
        data: { path: inFolder('videos'), samplesPerClip: 1, workers: 1 },
        batch: { size: 1 },
        schedule: { duration: '1 step', warmup: '0 steps' },
      }),
    ),
    { out: inFolder('run'), processes: decoding },
  )
})

test('every copy of a file that cannot be decoded is named', async () => {
  const videos = [await video('bad', bad), await video('good', good), await video('copy', copy)]
  const pixels = { kind: 'pixels', name: 'pixels', size: 8, frames: 4, sampling, readout: null } as const
  const stored = await computePixels(pixels, videos, options('pixels'))
  expect(stored.failures.map(({ id }) => id).sort()).toEqual(['bad', 'copy'])
  expect(stored.videos.map((one) => one.video.id)).toEqual(['good'])
})

test('one that shares its id with a good video of another source does not take that with it', async () => {
  const source = freshEncoder(tinyConfiguration(), sampling, 0)
  const videos = [await video('clip.mp4', bad), await video('clip.mp4', good)]
  const computed = await computeFeatures(source, videos, { ...options('features'), kind: 'tokens', batch: 1 })
  expect(computed.videos.map((one) => one.video.path)).toEqual([good])
  expect(computed.failures).toHaveLength(1)
})

test.each(['ridge', 'attentive', 'scratch'] as const)(
  'one that shares its id with a row of the other side is told on its own: learners of kind %s',
  async (kind) => {
    const [data, test] = [inFolder(`${kind}-data`), inFolder(`${kind}-test`)]
    for (const [root, count, seed] of [
      [data, 4, 1],
      [test, 2, 2],
    ] as const)
      await generateMotionDataset(root, { clips: count, size: 32, frames: 8, seed, classes: ['left', 'right'] })
    // One that is damaged among the training videos, and whole among the test videos; another the other way round.
    writeFileSync(path.join(data, 'left', 'one.mp4'), 'no video')
    copyFileSync(good, path.join(test, 'left', 'one.mp4'))
    copyFileSync(good, path.join(data, 'left', 'two.mp4'))
    writeFileSync(path.join(test, 'left', 'two.mp4'), 'no video either')
    const learner = kind === 'ridge' ? { kind } : { kind, epochs: 1 }
    const all = {
      data,
      test,
      from: kind === 'ridge' ? 'pixels' : inFolder('run'),
      learner,
      ...options(`${kind}-store`),
    }
    const leftOut = await prepareLearners(await planCertification(all), all, async (ready) => ready.leftOut)
    expect(leftOut.map(({ id, side }) => [id, side]).sort()).toEqual([
      ['left/one.mp4', 'training'],
      ['left/two.mp4', 'test'],
    ])
  },
)
