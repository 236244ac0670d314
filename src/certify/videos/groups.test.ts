import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { tinyConfiguration } from '../../../test/support/tiny-model.ts'
import type { LabeledVideo } from '../../dataset/dataset.ts'
import { writeSafetensors } from '../../format/safetensors.ts'
import { freshEncoder } from '../../inference/encoder-source.ts'
import { weightsDigest } from '../../train/weights-digest.ts'
import { sha256 } from '../ensemble/hash.ts'
import type { FeatureSource } from './feature-source.ts'
import { groupProvenance, writeGroupLists } from './groups.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-groups-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const video = (id: string, content: string): LabeledVideo => ({
  ...{ path: id, id, label: 'a', class: 0, digest: sha256(content) },
})

/** An encoder whose run wrote that it was trained on these contents. */
async function trainedOn(name: string, contents: readonly string[]): Promise<FeatureSource> {
  const location = path.join(folder, name)
  mkdirSync(location, { recursive: true })
  const schema = 'videomae.training-manifest/2'
  const tensor = { shape: [1], data: Float32Array.of(name.length) }
  await writeSafetensors(path.join(location, 'model.safetensors'), new Map([['w', tensor]]))
  const weights = [await weightsDigest(location)]
  const manifest = { schema, weights, list: null, labeled: false, samples: contents.map((c) => sha256(c)).sort() }
  writeFileSync(path.join(location, 'training-manifest.json'), JSON.stringify({ ...manifest, changed: 0, start: null }))
  const source = freshEncoder(tinyConfiguration(), { kind: 'dense', stride: 1, fps: null }, 0)
  return { kind: 'encoder', name, source, path: location, readout: 'mean' }
}

test('a content that several groups hold may be known to the encoder of each of them, and of no other', async () => {
  const videos = [video('x', 'copied'), video('y', 'copied'), video('z', 'single')]
  const groupOf = Int32Array.of(0, 1, 2)
  const known = async (...contents: readonly (readonly string[])[]) =>
    groupProvenance(
      await Promise.all(contents.map((mine, group) => trainedOn(`encoder-${group}`, mine))),
      videos,
      groupOf,
      { scaledOn: [] },
    )
  expect(await known(['copied'], ['copied'], ['single'])).toMatchObject({ trust: 'per_group', labelsUsed: false })
  const refused = { code: 'GROUP_ENCODER_MISMATCH', message: expect.stringContaining('are in group 0, 1') }
  await expect(known(['copied'], ['copied'], ['single', 'copied'])).rejects.toMatchObject(refused)
  await expect(known(['single'], ['copied'], ['single'])).rejects.toThrow(/encoder 0 .* group 2/s)
  // Encoders of other data are none of the groups, whether they saw more or less.
  await expect(known(['copied'], ['copied'], ['single', 'elsewhere'])).rejects.toThrow(
    /encoder 2 .*1 of .* not protected/s,
  )
  await expect(known(['copied'], ['copied'], ['elsewhere'])).rejects.toMatchObject({ code: 'GROUP_ENCODER_MISMATCH' })
  await expect(known(['copied'], [], ['single'])).rejects.toThrow(/encoder 1 .* not trained on 1 of/s)
})

test('the runs of encoders are named after contents: a file that changes under its name begins a new one', async () => {
  const videos = [video('x', 'one'), video('y', 'two')]
  const groupOf = Int32Array.of(0, 1)
  const before = await writeGroupLists(folder, videos, groupOf, 2)
  expect(await writeGroupLists(folder, videos.toReversed(), Int32Array.of(1, 0), 2)).toEqual(before)
  const after = await writeGroupLists(folder, [video('x', 'one'), video('y', 'changed')], groupOf, 2)
  expect(after.map(({ list }) => list)).toEqual(before.map(({ list }) => list))
  expect(after[0].contents).toBe(before[0].contents)
  expect(after[1].contents).not.toBe(before[1].contents)
})

test('lists of groups replace those of an earlier command, and no file of other origin', async () => {
  const videos = [video('x', 'one'), video('y', 'two')]
  const location = path.join(folder, 'lists')
  mkdirSync(location)
  const list = path.join(location, 'group-1.csv')
  const write = (second = 'y') => writeGroupLists(location, [videos[0], video(second, 'two')], Int32Array.of(0, 1), 2)
  // A trimmed list of somebody has the columns of ours.
  for (const mine of ['path,label\nmine.mp4,a\n', 'path,start,end\nmine.mp4,0,1\n', '']) {
    writeFileSync(list, mine)
    await expect(write()).rejects.toMatchObject({ code: 'OUTPUT_TAKEN', exit: 'usage' })
    expect(readdirSync(location)).toEqual(['group-1.csv'])
    expect(readFileSync(list, 'utf8')).toBe(mine)
  }
  rmSync(list)
  expect(await write()).toEqual(await write())
  const before = readFileSync(list, 'utf8')
  await write('z')
  expect(readFileSync(list, 'utf8')).not.toBe(before)
  // Back to what was written first, and then edited by hand.
  await write()
  expect(readFileSync(list, 'utf8')).toBe(before)
  writeFileSync(list, `${before}mine.mp4,,\n`)
  await expect(write()).rejects.toMatchObject({ code: 'OUTPUT_TAKEN' })
  writeFileSync(list, before)
  writeFileSync(path.join(location, 'group-lists.json'), '{"schema":"mine"}')
  await expect(write()).rejects.toMatchObject({ code: 'OUTPUT_TAKEN' })
  // What an interrupted first command has left is known by what would be written.
  rmSync(path.join(location, 'group-lists.json'))
  await write()
})
