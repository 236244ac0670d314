/** Features of labeled videos, stored by content, in shards, as files and by windows of time, and what is wrong with labels. */
import { writeFileSync } from 'node:fs'
import { appendFile, copyFile, readFile, truncate } from 'node:fs/promises'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { openDataset } from '../../src/dataset/dataset.ts'
import { readNpy } from '../../src/format/npy.ts'
import { readSafetensors } from '../../src/format/safetensors.ts'
import { freshEncoder } from '../../src/inference/encoder-source.ts'
import { writeFeatureFiles } from '../../src/inference/feature-files.ts'
import { computeFeatures, type FeatureOptions } from '../../src/inference/features.ts'
import { type ModelConfiguration, resolveConfiguration } from '../../src/model/configuration.ts'
import type { GeneratedDataset } from '../../src/synthetic/generate.ts'
import { inspectVideos } from '../../src/video/inspect.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { indicesOf, writeLabeledClips } from './labeled-clips.ts'

const folder = folderForTests('videomae-features-')
const data = path.join(folder, 'data')
let generated: GeneratedDataset
beforeAll(async () => {
  generated = await writeLabeledClips(data)
})
const out = (name: string) => path.join(folder, name)

describe('features', () => {
  const configuration = resolveConfiguration({
    imageSize: 32,
    frames: 4,
    patch: 8,
    encoder: { width: 24, depth: 1, heads: 2 },
  })
  const source = freshEncoder(configuration, { kind: 'dense', stride: 1, fps: null }, 1)
  const options = { engine: 'onnx', threads: 1, workers: 1, batch: 4, processes: decoding } as const

  test('are computed once per content, also after a kill in the middle of a write', async () => {
    const cache = out('store')
    const { videos } = await openDataset(path.join(data, 'split.csv'))
    const first = await computeFeatures(source, videos, { ...options, cache, clips: 2 })
    expect(first.failures.map(({ id }) => path.basename(id))).toEqual(['broken.mp4'])
    expect(first.videos).toHaveLength(48)
    expect(first.computed).toBe(48)
    const again = await computeFeatures(source, videos.slice(0, 48), { ...options, cache, clips: 2 })
    expect(again.computed).toBe(0)
    const last = await first.store.read(first.videos[47].digest)
    // The last video was cut off: half its row, half its line.
    const [file, ...others] = await indicesOf(first.store.folder)
    expect(others).toEqual([])
    const name = file.slice(0, -'.jsonl'.length)
    const index = await readFile(`${name}.jsonl`)
    await truncate(`${name}.jsonl`, index.length - 10)
    await appendFile(`${name}.f32`, new Uint8Array(13))
    const repaired = await computeFeatures(source, videos.slice(0, 48), { ...options, cache, clips: 2 })
    expect(repaired.computed).toBe(1)
    expect(await repaired.store.read(first.videos[47].digest)).toEqual(last)
  })

  test('name every copy of a file that cannot be read', async () => {
    const { videos } = await openDataset(path.join(data, 'split.csv'))
    const broken = videos.find(({ id }) => path.basename(id) === 'broken.mp4')!
    const copies = ['one', 'two'].map((id) => ({ ...broken, id }))
    const { failures, videos: read } = await computeFeatures(source, copies, { ...options, cache: out('copies') })
    expect(failures.map(({ id }) => id)).toEqual(['one', 'two'])
    expect(read).toEqual([])
  })

  test('come in shards that make up the whole, as .npy and safetensors', async () => {
    const { videos, classes } = await openDataset(path.join(data, 'split.csv'))
    const readable = videos.slice(0, 12)
    const whole = await computeFeatures(source, readable, { ...options, cache: out('one') })
    for (let index = 0; index < 3; index++) {
      await computeFeatures(source, readable, { ...options, cache: out('three'), shard: { index, count: 3 } })
    }
    const sharded = await computeFeatures(source, readable, { ...options, cache: out('three') })
    expect(sharded.computed).toBe(0)
    // Where nothing is missing no engine runs: the one that made the features need not be on this machine.
    expect(await computeFeatures(source, [], { ...options, cache: out('three'), engine: 'cuda' })).toMatchObject({
      computed: 0,
    })
    const a = await writeFeatureFiles(out('files-one'), whole, classes)
    await writeFeatureFiles(out('files-three'), sharded, classes)
    expect(a.shape).toEqual([12, 24])
    const one = await readNpy(path.join(out('files-one'), 'features.npy'))
    const three = await readNpy(path.join(out('files-three'), 'features.npy'))
    for (let i = 0; i < one.data.length; i++)
      expect(Math.abs(Number(one.data[i]) - Number(three.data[i]))).toBeLessThan(1e-5)
    const file = await readSafetensors(path.join(out('files-one'), 'features.safetensors'))
    expect(file.info('labels').shape).toEqual([12])
    await file.close()
    const index = JSON.parse(await readFile(path.join(out('files-one'), 'index.json'), 'utf8')) as {
      rows: { label: string }[]
    }
    expect(index.rows.map(({ label }) => label)).toEqual(readable.map(({ label }) => label))
  })

  test('are kept apart by everything that changes them', async () => {
    const keyOf = async (changes: Partial<ModelConfiguration> = {}, more: Partial<FeatureOptions> = {}) => {
      const other = { ...source, configuration: { ...configuration, ...changes } }
      return (await computeFeatures(other, [], { ...options, cache: out('keys'), ...more })).store.id
    }
    const all = [
      await keyOf(),
      await keyOf({ encoder: { ...configuration.encoder, heads: 1 } }),
      await keyOf({ layerNormEpsilon: 1e-3 }),
      await keyOf({ positions: 'factored' }),
      await keyOf({}, { precision: 'bfloat16' }),
      await keyOf({}, { engine: 'reference' }),
      await keyOf({}, { decoder: 'ffmpeg' }),
      await keyOf({}, { batch: 1 }),
      await keyOf({}, { readout: 'motion:2' }),
      await keyOf({}, { readout: 'grid:2' }),
    ]
    expect(new Set(all).size).toBe(all.length)
    // A store of an earlier version has no readout in its key.
    const same = { precision: 'float32', decoder: 'node-av', batch: 8, threads: 2, readout: 'mean' } as const
    expect(await keyOf({}, same)).toBe(all[0])
  })

  test('of sliding windows by time have frames 1 / fps seconds apart', async () => {
    const { videos } = await openDataset(path.join(data, 'split.csv'))
    const [{ info }] = (await inspectVideos(videos[0].path)).videos
    const bySeconds = { ...source, sampling: { kind: 'dense', stride: 1, fps: info!.fps / 2 } as const }
    const windows = await computeFeatures(bySeconds, videos.slice(0, 1), {
      ...options,
      cache: out('windows'),
      windowStep: 1,
    })
    const [first] = windows.store.views(windows.videos[0].digest)
    expect([first.firstFrame, first.lastFrame]).toEqual([0, 6])
  })

  test('of sliding windows cover the video', async () => {
    const { videos } = await openDataset(path.join(data, 'split.csv'))
    const windows = await computeFeatures(source, videos.slice(0, 3), {
      ...options,
      cache: out('windows'),
      windowStep: 2,
    })
    // 8 frames, windows of 4: starts 0, 2, 4
    const mixed = computeFeatures(source, videos, { ...options, cache: out('windows'), windowStep: 2, clips: 3 })
    await expect(mixed).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    const views = windows.store.views(windows.videos[0].digest)
    expect(views.map(({ firstFrame, lastFrame }) => [firstFrame, lastFrame])).toEqual([
      [0, 3],
      [2, 5],
      [4, 7],
    ])
  })
})

describe('openDataset', () => {
  test('finds equal contents under several names', async () => {
    await copyFile(generated.files[0], path.join(data, 'right', 'copy.mp4'))
    const { duplicates, videos } = await openDataset(data)
    expect(duplicates).toEqual([[path.relative(data, generated.files[0]), 'right/copy.mp4']])
    expect(videos).toHaveLength(50)
  })

  test('says what is wrong with labels', async () => {
    const list = path.join(folder, 'list.csv')
    writeFileSync(list, `path,label\n${generated.files[0]},a\n${generated.files[1]},a\n`)
    await expect(openDataset(list)).rejects.toMatchObject({ code: 'CLASSES_TOO_FEW' })
    await expect(openDataset(list, { classes: ['b', 'c'] })).rejects.toMatchObject({ code: 'LABEL_UNKNOWN' })
    writeFileSync(list, `path,label\n${generated.files[0]},a\n${generated.files[1]},\n`)
    await expect(openDataset(list)).rejects.toThrow(/1 have none/)
  })
})
