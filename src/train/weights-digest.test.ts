import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { type SafetensorsTensor, writeSafetensors } from '../format/safetensors.ts'
import { weightsDigest } from './weights-digest.ts'

const folder = folderForTests('videomae-weights-')

const tensor = (...data: number[]): SafetensorsTensor => ({ shape: [data.length], data: Float32Array.from(data) })

async function written(name: string, files: Readonly<Record<string, Readonly<Record<string, SafetensorsTensor>>>>) {
  const location = path.join(folder, name)
  mkdirSync(location)
  for (const [file, tensors] of Object.entries(files))
    await writeSafetensors(path.join(location, file), new Map(Object.entries(tensors)))
  return weightsDigest(location)
}

test('values, names and heads next to the model count; their order in the file and other files do not', async () => {
  const model = { a: tensor(1, 2), b: tensor(3) }
  const digest = await written('first', { 'model.safetensors': model })
  expect(digest).toMatch(/^[0-9a-f]{64}$/)
  expect(await weightsDigest(path.join(folder, 'first', 'model.safetensors'))).toBe(digest)
  expect(await written('order', { 'model.safetensors': { b: tensor(3), a: tensor(1, 2) } })).toBe(digest)
  const optimizer = { m: tensor(7) }
  expect(await written('moments', { 'model.safetensors': model, 'optimizer.safetensors': optimizer })).toBe(digest)
  // `features --out` may write into the folder of a checkpoint.
  expect(await written('features', { 'model.safetensors': model, 'features.safetensors': optimizer })).toBe(digest)
  const others = [
    await written('value', { 'model.safetensors': { a: tensor(1, -2), b: tensor(3) } }),
    await written('name', { 'model.safetensors': { a: tensor(1, 2), c: tensor(3) } }),
    await written('cut', { 'model.safetensors': { a: tensor(1), b: tensor(2, 3) } }),
    await written('head', { 'model.safetensors': model, 'head.safetensors': { w: tensor(1) } }),
    await written('other-head', { 'model.safetensors': model, 'head.safetensors': { w: tensor(2) } }),
  ]
  expect(new Set([digest, ...others]).size).toBe(6)
})

test('where no weights are there is no digest', async () => {
  expect(await written('none', {})).toBeNull()
  expect(await weightsDigest(path.join(folder, 'absent'))).toBeNull()
})
