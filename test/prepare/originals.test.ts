/** A prepared video and its original are one video: whoever has seen one has seen the other. Oracle: which were trained on is known here. */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { recordOfInputs, recordOfSet } from '../../src/certify/files/sample-record.ts'
import { testSetOf } from '../../src/certify/videos/feature-sets.ts'
import { samplesOfVideos, videoInputsOf } from '../../src/certify/videos/learners/video-set.ts'
import { planCertification } from '../../src/certify/videos/plan.ts'
import { inputsInTraining } from '../../src/certify/videos/seen-inputs.ts'
import { manifestOfData } from '../../src/certify/videos/training-manifest.ts'
import { fileDigest } from '../../src/format/file-digest.ts'
import { prepareVideos } from '../../src/prepare/prepare.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { runSchema } from '../../src/train/configuration.ts'
import { pretrain } from '../../src/train/pretrain.ts'
import { listVideos } from '../../src/video/source.ts'
import type { VideoEntry } from '../../src/video/types.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

const folder = folderForTests('videomae-originals-')
const inFolder = (name: string): string => path.join(folder, name)

const classes = ['left', 'right'] as const
const even = (_: unknown, i: number): boolean => i % 2 === 0
const odd = (_: unknown, i: number): boolean => i % 2 === 1

function writeList(name: string, entries: readonly VideoEntry[]): string {
  const rows = entries.map(({ path: file, label, original }) => [path.resolve(file), label, original ?? ''].join(','))
  writeFileSync(inFolder(name), ['path,label,original_sha256', ...rows].join('\n'))
  return inFolder(name)
}

let originals: readonly VideoEntry[]
let prepared: readonly VideoEntry[]

beforeAll(async () => {
  for (const [seed, name] of ['data', 'inputs'].entries())
    await generateMotionDataset(inFolder(name), { clips: 6, size: 32, frames: 8, seed, classes })
  await prepareVideos(inFolder('data'), inFolder('prepared'), { jobs: 1 })
  originals = listVideos(inFolder('data'), { labelFromFolder: true })
  prepared = listVideos(inFolder('prepared'))
})

test('an encoder that was trained on a prepared video has seen the original, and the reverse', async () => {
  // Trained on the even videos as they are prepared, and on the odd ones as they were.
  const data = writeList(
    'trained.csv',
    originals.map((entry, i) => (even(entry, i) ? prepared[i] : entry)),
  )
  const sizes = { frames: 4, resolution: 32, patch: 16, width: 16, depth: 1, heads: 2 }
  await pretrain(
    runSchema.parse({
      data: { path: data, workers: 1, samplesPerClip: 2 },
      clip: { stride: 1 },
      mask: { ratio: 0.5 },
      model: { ...sizes, decoder: { width: 16, depth: 1, heads: 2 } },
      batch: { size: 4 },
      schedule: { duration: '1 steps', warmup: '0 steps' },
      log: { tensorboard: false },
      engine: { threads: 1 },
    }),
    { out: inFolder('run'), processes: decoding },
  )
  const { samples } = JSON.parse(readFileSync(inFolder('run/training-manifest.json'), 'utf8')) as { samples: string[] }
  const files = [...prepared.filter(even), ...originals].map(({ path: file }) => fileDigest(file))
  expect(samples).toEqual((await Promise.all(files)).sort())
  const trustOf = async (name: string, entries: readonly VideoEntry[]) => {
    const { encoder } = await planCertification({
      data: writeList(name, entries),
      test: inFolder('inputs'),
      from: inFolder('run'),
      classes,
      cache: inFolder('store'),
      threads: 1,
      workers: 1,
      processes: decoding,
    })
    return encoder.trust
  }
  expect(await trustOf('seen-prepared.csv', originals.filter(even))).toBe('protected_set')
  expect(await trustOf('seen-original.csv', prepared.filter(odd))).toBe('protected_set')
  // Without the digests of the originals nothing could tell.
  expect(
    await trustOf(
      'unknown.csv',
      prepared.filter(odd).map(({ original: _, ...entry }) => entry),
    ),
  ).toBe('external')
})

test('data that is named afterwards counts with its originals', async () => {
  const { samples } = await manifestOfData(inFolder('prepared'))
  expect([...samples].sort()).toEqual(
    (await Promise.all([...prepared, ...originals].map(({ path: file }) => fileDigest(file)))).sort(),
  )
})

test('a video to predict whose original is protected counts as seen, and the reverse', () => {
  const [one, other] = ['0', '1'].map((digit) => digit.repeat(64))
  const video = { id: 'a', path: 'a.mp4', label: 'left', class: 0 }
  const plain = { ...video, digest: one }
  const made = { ...video, digest: other, original: one }
  expect(inputsInTraining({ train: [plain], test: [made] })).toBe(1)
  expect(inputsInTraining({ train: [made], test: [plain] })).toBe(1)
  expect(inputsInTraining({ train: [{ ...made, original: undefined }], test: [plain] })).toBe(0)
})

test('the records next to a certificate name the originals', () => {
  const videos = prepared.map((entry, i) => ({ ...entry, label: 'left', class: 0, digest: String(i).repeat(64) }))
  const [first, ...others] = videos
  const mixed = [{ ...first, original: undefined }, ...others]
  const named = [undefined, ...others.map(({ original }) => original)]
  const set = recordOfSet(samplesOfVideos(mixed, classes), 'content', () => true)
  expect(set.samples.map(({ sha256, original }) => [sha256, original])).toEqual(
    expect.arrayContaining(mixed.map(({ digest }, i) => [digest, named[i]])),
  )
  const features = { features: new Float32Array(6), rows: 6, width: 1, owners: mixed, failures: [] }
  for (const inputs of [videoInputsOf(mixed), testSetOf(features)])
    expect(recordOfInputs(inputs, 'content', classes)?.samples.map(({ original }) => original)).toEqual(named)
})
