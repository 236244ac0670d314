import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { writeSafetensors } from '../format/safetensors.ts'
import { requireFeatureFolder } from './feature-files.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-feature-files-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
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
