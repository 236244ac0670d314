import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { readSafetensors } from '../format/safetensors.ts'
import type { VideoEntry } from '../video/types.ts'
import { writeFeatureFiles } from './feature-files.ts'
import type { ComputedFeatures } from './features.ts'
import { withClasses } from './write-features.ts'

const folder = folderForTests('videomae-features-')

test('one video without a label keeps the classes of the others', async () => {
  const entries = ['b', undefined, 'a'].map((label, i) => ({ id: `v${i}`, path: `v${i}.mp4`, label }))
  const { classes, videos, unlabeled } = withClasses<VideoEntry>(entries)
  expect([classes, unlabeled]).toEqual([['a', 'b'], 1])
  // Two views of each video, three values a row.
  const computed = {
    encoder: 'digest',
    readout: 'mean',
    shape: [3],
    computed: 3,
    failures: [],
    videos: videos.map((video) => ({ video, digest: video.id })),
    store: { width: 3, views: () => [{ view: 0 }, { view: 1 }], read: async () => new Float32Array(6) },
  } as unknown as ComputedFeatures<VideoEntry & { class?: number }>
  await writeFeatureFiles(folder, computed, classes)
  const index = JSON.parse(await readFile(path.join(folder, 'index.json'), 'utf8'))
  expect(index.classes).toEqual(['a', 'b'])
  expect(index.rows.map((row: { label: string | null }) => row.label)).toEqual(['b', 'b', null, null, 'a', 'a'])
  const file = await readSafetensors(path.join(folder, 'features.safetensors'))
  expect([...(await file.read('labels'))].map(Number)).toEqual([1, 1, -1, -1, 0, 0])
  await file.close()
})

test('videos without any label have no classes', () => {
  expect(withClasses([{ label: undefined }, {}])).toEqual({ classes: null, videos: [{}, {}], unlabeled: 2 })
})
