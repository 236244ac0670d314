/** Files that cannot be decoded: each row of them is left out by name, and no other row. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { computePixels } from '../../src/certify-videos/pixels.ts'
import { freshEncoder } from '../../src/finetune/encoder-source.ts'
import { computeFeatures } from '../../src/finetune/features.ts'
import { fileDigest } from '../../src/format/file-digest.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { tinyConfiguration } from '../model/tiny.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-undecodable-'))
const place = (...parts: string[]) => path.join(folder, ...parts)
const sampling = { kind: 'dense', stride: 1, fps: null } as const
const options = (name: string) => ({ cache: place(name), workers: 1, threads: 1 })
const video = async (id: string, file: string) => ({ id, path: file, digest: await fileDigest(file) })
let good = ''
let bad = ''
let copy = ''

beforeAll(async () => {
  await generateMotionDataset(place('videos'), { clips: 1, size: 32, frames: 8, seed: 1, classes: ['left', 'right'] })
  const names = readdirSync(place('videos'), { recursive: true, encoding: 'utf8' })
  good = place('videos', names.filter((name) => name.endsWith('.mp4'))[0])
  bad = place('bad.mp4')
  copy = place('copy.mp4')
  for (const name of [bad, copy]) writeFileSync(name, 'no video')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('every copy of a file that cannot be decoded is named', async () => {
  const videos = [await video('bad', bad), await video('good', good), await video('copy', copy)]
  const pixels = { kind: 'pixels', name: 'pixels', size: 8, frames: 4, sampling } as const
  const stored = await computePixels(pixels, videos, options('pixels'))
  expect(stored.failures.map(({ id }) => id).sort()).toEqual(['bad', 'copy'])
  expect(stored.videos.map((one) => one.video.id)).toEqual(['good'])
})

it('one that shares its id with a good video of another source does not take that with it', async () => {
  const source = freshEncoder(tinyConfiguration(), sampling, 0)
  const videos = [await video('clip.mp4', bad), await video('clip.mp4', good)]
  const computed = await computeFeatures(source, videos, { ...options('features'), kind: 'tokens', batch: 1 })
  expect(computed.videos.map((one) => one.video.path)).toEqual([good])
  expect(computed.failures).toHaveLength(1)
})
