import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodeModel } from './onnx.ts'
import { isOnnxModel, requireOnnxTarget } from './onnx-target.ts'
import { writeSafetensors } from './safetensors.ts'

let folder: string
const inFolder = (name: string): string => path.join(folder, name)

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'onnx-target-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const model = encodeModel({
  irVersion: 8,
  opsets: [{ domain: '', version: 17 }],
  metadata: { 'videomae.version': '0' },
  graph: { name: 'g', nodes: [], initializers: [], inputs: [], outputs: [] },
})

test('an ONNX file of any writer and an empty file are replaced, and so is nothing', async () => {
  await writeFile(inFolder('own.onnx'), model)
  // Other exporters write the producer and the graph in other order.
  const foreign = Buffer.concat([
    Buffer.from([0x3a, 0x00, 0x12, 0x07]),
    Buffer.from('pytorch'),
    Buffer.from([0x08, 0x08]),
  ])
  await writeFile(inFolder('foreign.onnx'), foreign)
  await writeFile(inFolder('empty'), '')
  await symlink(inFolder('own.onnx'), inFolder('link.onnx'))
  for (const name of ['own.onnx', 'foreign.onnx', 'empty', 'link.onnx', 'missing.onnx'])
    await expect(requireOnnxTarget(inFolder(name)), name).resolves.toBeUndefined()
})

test('another file is not replaced', async () => {
  await writeSafetensors(inFolder('model.safetensors'), new Map([['w', { shape: [2], data: new Float32Array(2) }]]), {})
  const mp4 = Buffer.concat([Buffer.from([0, 0, 0, 0x18]), Buffer.from('ftypisom'), Buffer.alloc(64, 1)])
  const files: [string, string | Uint8Array][] = [
    ['x.mp4', mp4],
    ['list.csv', 'path,label\na.mp4,a\n'],
    ['json.json', '{"a": 1}'],
    ['cut.onnx', model.subarray(0, model.length - 3)],
    // Bytes that begin as a model does, as the length of a safetensors header may.
    ['eight.safetensors', Buffer.concat([Buffer.from([8, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{}      ')])],
    ['version-only.onnx', Buffer.from([0x08, 0x08])],
  ]
  for (const [name, bytes] of files) await writeFile(inFolder(name), bytes)
  await symlink(inFolder('x.mp4'), inFolder('link-to-video.onnx'))
  for (const name of [...files.map(([name]) => name), 'model.safetensors', 'link-to-video.onnx'])
    await expect(requireOnnxTarget(inFolder(name)), name).rejects.toMatchObject({ code: 'OUTPUT_TAKEN', exit: 'usage' })
  expect(await readFile(inFolder('x.mp4'))).toEqual(mp4)
})

test('data without its model is not replaced by the data of another', async () => {
  await writeFile(inFolder('large.onnx.data'), 'mine')
  await expect(requireOnnxTarget(inFolder('large.onnx'))).rejects.toMatchObject({ code: 'OUTPUT_TAKEN' })
  await writeFile(inFolder('large.onnx'), model)
  await expect(requireOnnxTarget(inFolder('large.onnx'))).resolves.toBeUndefined()
  expect(await isOnnxModel(inFolder('large.onnx'))).toBe(true)
})
