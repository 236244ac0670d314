import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { writeSafetensors } from '../format/safetensors.ts'
import { lockRun } from '../train/run-lock.ts'
import type { VideoEntry } from '../video/types.ts'
import { requireFeatureFolder, writeFeatureFiles } from './feature-files.ts'
import { FeatureStore } from './feature-store.ts'
import type { ComputedFeatures } from './features.ts'

const folder = folderForTests('videomae-feature-files-')
const index = path.join(folder, 'index.json')

test('a folder without an index, or with that of earlier features, takes features', async () => {
  await requireFeatureFolder(path.join(folder, 'nothing'))
  await requireFeatureFolder(folder)
  for (const own of ['', JSON.stringify({ encoder: 'e', shape: [1, 2], rows: [], classes: null })]) {
    writeFileSync(index, own)
    await requireFeatureFolder(folder)
  }
})

test('features of an interrupted command are replaced, and those of others stay', async () => {
  rmSync(index, { force: true })
  const [rows, tensors] = ['features.npy', 'features.safetensors'].map((name) => path.join(folder, name))
  const values = { shape: [1, 1], data: new Float32Array(1) }
  writeFileSync(rows, 'mine')
  await expect(requireFeatureFolder(folder)).rejects.toMatchObject({ code: 'OUTPUT_TAKEN' })
  await writeSafetensors(tensors, new Map([['features', values]]), {})
  await expect(requireFeatureFolder(folder)).rejects.toMatchObject({ code: 'OUTPUT_TAKEN' })
  await writeSafetensors(tensors, new Map([['features', values]]), { encoder: 'e' })
  await requireFeatureFolder(folder)
})

test.each(['{"name": "a package"}', '[1, 2]', 'null', 'no JSON'])('an index.json of others stays: %s', async (text) => {
  writeFileSync(index, text)
  await expect(requireFeatureFolder(folder)).rejects.toMatchObject({ code: 'OUTPUT_TAKEN', exit: 'usage' })
  expect(readFileSync(index, 'utf8')).toBe(text)
})

test.skipIf(process.platform === 'win32')('a pipe in the place of the index is refused, at once', async () => {
  const location = path.join(folder, 'piped')
  mkdirSync(location)
  spawnSync('mkfifo', [path.join(location, 'index.json')])
  await expect(requireFeatureFolder(location)).rejects.toMatchObject({ code: 'FILE_NOT_REGULAR' })
})

describe('files of features', () => {
  /** One video with one row of two values. */
  async function features(value: number): Promise<ComputedFeatures<VideoEntry>> {
    const store = await FeatureStore.open(path.join(folder, 'store'), `key-${value}`, { value }, 2)
    const view = { clip: 0, crop: 0, startSeconds: 0, firstFrame: 0, lastFrame: 1 }
    await store.append({ digest: 'd', views: [view] }, Float32Array.of(value, value))
    const video = { path: 'a.mp4', id: 'a.mp4' }
    const found = { videos: [{ video, digest: 'd' }], failures: [], computed: 1, encoder: `e${value}`, readout: 'mean' }
    return { store, shape: [2], ...found } as unknown as ComputedFeatures<VideoEntry>
  }
  const out = path.join(folder, 'out')
  const bytes = () => readdirSync(out).map((name) => [name, readFileSync(path.join(out, name), 'latin1')])

  test('are replaced together, or not at all', async () => {
    await writeFeatureFiles(out, await features(1), null)
    const before = bytes()
    expect(before.map(([name]) => name)).toEqual(['features.npy', 'features.safetensors', 'index.json'])
    // Where one of them cannot be written, the others stay what they were.
    const rows = path.join(out, 'features.npy')
    rmSync(rows)
    mkdirSync(rows)
    await expect(writeFeatureFiles(out, await features(2), null)).rejects.toThrow()
    rmSync(rows, { recursive: true })
    writeFileSync(rows, before[0][1], 'latin1')
    expect(bytes()).toEqual(before)
  })

  test('are written by one command at a time', async () => {
    const lock = await lockRun(out)
    await expect(writeFeatureFiles(out, await features(2), null)).rejects.toMatchObject({ code: 'RUN_LOCKED' })
    await lock.release()
    await writeFeatureFiles(out, await features(2), null)
    expect(readFileSync(path.join(out, 'index.json'), 'utf8')).toContain('"encoder":"e2"')
  })
})
