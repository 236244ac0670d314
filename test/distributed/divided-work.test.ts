/** Features, heads and certificates of ranks. Oracle: the files of one process, byte for byte. */
import { createHash } from 'node:crypto'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { certifyVideos } from '../../src/certify/videos/certify-videos.ts'
import { finetuneConfiguration } from '../../src/finetune/configuration.ts'
import { finetuneOnRanks } from '../../src/finetune/finetune.ts'
import { readEncoder } from '../../src/inference/encoder-source.ts'
import { writeFeatureFiles } from '../../src/inference/feature-files.ts'
import { toldFailure } from '../../src/inference/features.ts'
import { predict } from '../../src/inference/predict.ts'
import { computeFeaturesOnRanks } from '../../src/inference/rank-features.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { runSchema } from '../../src/train/configuration.ts'
import { pretrain } from '../../src/train/pretrain.ts'
import { IdleProcesses } from '../../src/video/idle-processes.ts'
import { readVideos } from '../../src/video/source.ts'
import { launchers } from '../support/launchers.ts'
import { valuesOnLocalRanks } from '../support/local-ranks.ts'
import { videomaeAlone } from '../support/run-program.ts'
import { tinyRun } from '../support/tiny-pretraining-input.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-divided-work-'))
const inFolder = (...names: readonly string[]): string => path.join(folder, ...names)

beforeAll(async () => {
  const options = { clips: 18, size: 32, frames: 6, classes: ['left', 'right'] as const, seed: 3 }
  const { files, labels } = await generateMotionDataset(inFolder('data'), options)
  const part = (k: number): string => (k < 12 ? 'train' : k < 15 ? 'val' : 'test')
  const rows = files.map((file, k) => `${file},${labels[k]},${part(k)}`)
  // Of these videos another rank has the original, and nobody can read the last.
  copyFileSync(files[0], inFolder('copy.mp4'))
  writeFileSync(inFolder('broken.mp4'), 'this is no video')
  rows.push(`${inFolder('copy.mp4')},${labels[0]},train`, `${inFolder('broken.mp4')},left,train`)
  writeFileSync(inFolder('list.csv'), `path,label,split\n${rows.join('\n')}\n`)
  await pretrain(runSchema.parse(tinyRun(inFolder('data'))), { out: inFolder('encoder') })
}, 120_000)
const processes = new IdleProcesses()
afterAll(async () => {
  await processes.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Digests of the files below a folder, apart from its own name in them. */
function filesOf(name: string, but: RegExp): Record<string, string> {
  const files = (readdirSync(inFolder(name), { recursive: true }) as string[]).filter((file) => !but.test(file)).sort()
  const digest = (file: string): string => {
    const text = readFileSync(inFolder(name, file), 'latin1').replaceAll(inFolder(name), '')
    return createHash('sha256').update(text).digest('hex')
  }
  return Object.fromEntries(files.filter((file) => statSync(inFolder(name, file)).isFile()).map((f) => [f, digest(f)]))
}

test('features of three ranks are those of one process', async () => {
  const source = await readEncoder(inFolder('encoder'))
  const { entries } = readVideos([inFolder('list.csv')])
  const made = (name: string, size: number) =>
    valuesOnLocalRanks(size, async (ranks) => {
      const options = { ranks, cache: inFolder(name, 'store'), clips: 2, workers: 1, threads: 1, processes }
      const progress: number[] = []
      const onProgress = (done: number, total: number) => progress.push(done / total)
      const computed = await computeFeaturesOnRanks(source, entries, { ...options, onProgress })
      expect(progress.every((each) => each <= 1)).toBe(true)
      if (computed !== null) await writeFeatureFiles(inFolder(name), computed, null)
      return computed
    })
  const [alone] = await made('alone', 1)
  const [first, ...others] = await made('three', 3)
  expect(others).toEqual([null, null])
  expect(first?.failures.map(toldFailure)).toEqual(alone?.failures.map(toldFailure))
  expect(first?.failures).toHaveLength(1)
  expect(first?.computed).toBeGreaterThanOrEqual(alone?.computed ?? 0)
  expect(filesOf('three', /^store/)).toEqual(filesOf('alone', /^store/))
  // Each rank had a part.
  const store = readdirSync(inFolder('three', 'store'), { recursive: true }) as string[]
  expect(store.filter((file) => file.endsWith('.f32'))).toHaveLength(3)
})

test('a head on the features of two ranks, with the readout they choose, is that of one process', async () => {
  const configuration = finetuneConfiguration({
    ...{ mode: 'ridge', probe: { readout: 'auto' }, engine: { threads: 1 }, evaluation: { clips: 2, crops: 1 } },
    data: { path: inFolder('list.csv'), workers: 1 },
    model: { from: inFolder('encoder') },
  })
  const made = (name: string, size: number) =>
    valuesOnLocalRanks(size, (ranks) => finetuneOnRanks(configuration, { out: inFolder(name), ranks, processes }))
  const [alone] = await made('head', 1)
  const [first] = await made('head-of-two', 2)
  expect([first.chosen, first.validation, first.failures]).toEqual([alone.chosen, alone.validation, alone.failures])
  const written = filesOf('head-of-two', /^features|training-manifest/)
  expect(Object.keys(written)).toContain(path.join('evaluation', 'predictions.jsonl'))
  expect(written).toEqual(filesOf('head', /^features|training-manifest/))
})

test('predictions of two ranks for a list are those of one process, bit by bit', async () => {
  const options = { from: inFolder('head'), workers: 1, threads: 1, processes }
  const made = (size: number) =>
    valuesOnLocalRanks(size, (ranks) => predict([inFolder('list.csv')], { ...options, ranks }))
  const [alone] = await made(1)
  expect(alone.filter(({ ok }) => !ok).map(({ video }) => video)).toEqual([inFolder('broken.mp4')])
  expect(await made(2)).toEqual([alone, alone])
})

const [launcher] = [...launchers].sort((a, b) => Number(a.missing !== null) - Number(b.missing !== null))

test.skipIf(launcher.missing !== null)('launch drives a certificate, which is that of one process', async () => {
  const [from, shared] = [`untrained:${inFolder('encoder')}`, { partitions: 4, workers: 1, threads: 1, processes }]
  await certifyVideos({ data: inFolder('list.csv'), from, out: inFolder('certified'), split: 'list', ...shared })
  const options = ['--split', 'list', '--partitions', '4', '--threads', '1', '--workers', '1']
  const { code, stdout, stderr } = await videomaeAlone(
    ...['launch', '--mpirun', launcher.program, '--ranks', '2', '--'],
    ...['certify', inFolder('list.csv'), '--from', from, '--out', inFolder('launched'), ...options],
  )
  expect(code, stderr).toBe(0)
  expect(stderr).toMatch(/^ranks +2 over /m)
  // One of the ranks speaks.
  expect(stdout.match(/training videos, 3 to predict/g)).toHaveLength(1)
  const but = /store|learners/
  expect(filesOf('launched', but)).toEqual(filesOf('certified', but))
  // The shares of both ranks are there.
  const learners = (readdirSync(inFolder('launched', 'learners'), { recursive: true }) as string[]).sort().join()
  expect(learners.match(/learners-\d{5}-\d{5}/g)).toHaveLength(4)
})
