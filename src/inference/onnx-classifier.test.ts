import path from 'node:path'
import { expect, test } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { writeModel } from '../format/onnx.ts'
import type { OnnxNode } from '../format/onnx-types.ts'
import { openOnnxClassifier } from './onnx-classifier.ts'

const folder = folderForTests('videomae-onnx-classifier-')

const metadata = {
  'videomae.task': 'classify',
  'videomae.labels': '["a","b"]',
  'videomae.sampling': '{"kind":"dense","stride":2,"fps":null}',
  'videomae.input': 'uint8',
  'videomae.frames': '2',
  'videomae.image_size': '[8,8]',
  'videomae.mean': '[0.5,0.5,0.5]',
  'videomae.std': '[0.5,0.5,0.5]',
}

test.each([
  ['videomae.std', '[0.5,1e-30,0.5]', 'videomae.std is 0.5, 1e-30, 0.5, not numbers from 0.0001'],
  ['videomae.std', '[0.5,0,0.5]', 'videomae.std'],
  ['videomae.mean', '[0.5,1e30,0.5]', 'videomae.mean'],
  ['videomae.sampling', '{"kind":"dense","stride":2,"fps":null,"frames":4}', 'Unrecognized key: "frames"'],
])('metadata %s = %s is refused when the file is read', async (key, value, message) => {
  const file = path.join(folder, 'classifier.onnx')
  const frames = { name: 'frames', type: 'uint8' as const, shape: ['n', 2, 8, 8, 3] }
  const graph = { name: 'g', inputs: [frames], outputs: [], initializers: [], nodes: [] }
  const opsets = [{ domain: '', version: 17 }]
  await writeModel(file, { irVersion: 8, opsets, metadata: { ...metadata, [key]: value }, graph })
  await expect(openOnnxClassifier(file)).rejects.toMatchObject({
    code: 'NOT_A_CLASSIFIER',
    message: expect.stringContaining(message),
  })
  // The rest of the metadata is as it must be: what is missing is an output.
  await writeModel(file, { irVersion: 8, opsets, metadata, graph })
  await expect(openOnnxClassifier(file)).rejects.toThrow('no output called probabilities')
})

test('answers calls that overlap, and says that it is closed', async () => {
  const file = path.join(folder, 'means.onnx')
  const frames = { name: 'frames', type: 'uint8' as const, shape: ['n', 2, 8, 8, 3] }
  const probabilities = { name: 'probabilities', type: 'float32' as const, shape: ['n', 2] }
  // The mean of each of two frames.
  const nodes: OnnxNode[] = [
    { op: 'Cast', inputs: ['frames'], outputs: ['numbers'], attributes: { to: { int: 1 } } },
    {
      ...{ op: 'ReduceMean', inputs: ['numbers'], outputs: ['probabilities'] },
      attributes: { axes: { ints: [2, 3, 4] }, keepdims: { int: 0 } },
    },
  ]
  const graph = { name: 'g', inputs: [frames], outputs: [probabilities], initializers: [], nodes }
  await writeModel(file, { irVersion: 8, opsets: [{ domain: '', version: 17 }], metadata, graph })
  const classifier = await openOnnxClassifier(file, { threads: 1 })
  const clip = (value: number): Uint8Array => new Uint8Array(2 * 8 * 8 * 3).fill(value)
  const open = [3, 5].map((value) => classifier.probabilities(clip(value)))
  expect(await Promise.all(open)).toEqual([3, 5].map((value) => Float32Array.of(value, value)))
  const [last, closing] = [classifier.probabilities(clip(7)), classifier.close()]
  const late = classifier.probabilities(clip(9))
  await expect(late).rejects.toMatchObject({ code: 'ENGINE_CLOSED' })
  await Promise.all([Promise.allSettled([last]), closing])
})
