/** Exported files that were changed afterwards, without their description next to them. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { exportClassifier } from '../../src/export/classifier.ts'
import { exportEncoder } from '../../src/export/encoder.ts'
import { checksumKey } from '../../src/format/checksum.ts'
import { readModel, writeModel } from '../../src/format/onnx.ts'
import { classifierShapes, saveClassifier } from '../../src/inference/classifier.ts'
import { openAnyClassifier } from '../../src/inference/predict.ts'
import { resolveConfiguration } from '../../src/model/configuration.ts'
import { initialize } from '../../src/model/initialize.ts'
import { spread, unnoticed, unnoticedInModel } from '../support/changed-bytes.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

const configuration = resolveConfiguration({
  ...{ imageSize: 8, frames: 4, patch: 4 },
  encoder: { width: 12, depth: 1, heads: 2 },
  resize: { shortEdge: 9 },
})
const clips = Uint8Array.from({ length: 4 * 8 * 8 * 3 }, (_, i) => (i * 37) % 256)
const folder = folderForTests('videomae-changed-bytes-')
const at = (name: string) => path.join(folder, name)
const [checkpoint, classifier] = [at('checkpoint'), at('classifier.onnx')]

beforeAll(async () => {
  const [head, labels] = [{ kind: 'linear' } as const, ['left', 'right']]
  const state = initialize(classifierShapes({ configuration, head, labels }), 1, 'pretrain')
  const sampling = { kind: 'dense', stride: 1, fps: null } as const
  await saveClassifier(checkpoint, { configuration, head, state, labels, sampling })
  await exportClassifier(checkpoint, { out: classifier, clips, compareWith: 'reference' })
  rmSync(at('classifier.json'))
})

const answers = async () => {
  const opened = await openAnyClassifier(classifier, { threads: 1 })
  try {
    const { labels, sampling, size } = opened
    return { labels, sampling, size, probabilities: await opened.probabilities(clips) }
  } finally {
    await opened.close()
  }
}

describe('a changed bit', () => {
  test('of a classifier changes no answer unnoticed', async () => {
    expect(await unnoticed(classifier, spread(readFileSync(classifier).length, 40), answers)).toEqual([])
    expect(await unnoticedInModel(classifier)).toEqual([])
  })

  test.each(['uint8', 'float32'] as const)('of an encoder of %s is noticed', async (input) => {
    const out = at('encoder.onnx')
    await exportEncoder(checkpoint, { out, input, clips, compareWith: 'reference' })
    expect(await unnoticedInModel(out)).toEqual([])
  })

  test('of weights next to the model is noticed', async () => {
    const out = at('outside.onnx')
    const model = await readModel(classifier)
    const [, data] = await writeModel(out, model, { externalData: 'always' })
    expect(data).toBe(`${out}.data`)
    expect(await unnoticed(data, spread(readFileSync(data).length, 30), () => readModel(out))).toEqual([])
    expect(await unnoticedInModel(out)).toEqual([])
    // What is written again inside one file has nothing next to it.
    await writeModel(out, await readModel(out))
    expect(readFileSync(out)).toEqual(readFileSync(classifier))
  })
})

test.each([
  ['labels', '["left","right"]', '["right","left"]'],
  ['means', '[0.485,', '[0.455,'],
  ['pictures', 'videomae.resize', 'videomae.resiz_'],
])('other %s in the metadata are refused, and the key to remove is named', async (_, from, to) => {
  const written = readFileSync(classifier)
  const changed = Buffer.from(written)
  changed.write(to, written.indexOf(from))
  writeFileSync(classifier, changed)
  await expect(answers()).rejects.toMatchObject({
    ...{ code: 'ONNX_INVALID', exit: 'data' },
    message: expect.stringContaining(`Expected ${classifier} with the SHA-256 with which it was written, `),
    hint: expect.stringContaining(checksumKey),
  })
  writeFileSync(classifier, written)
})

test('a checksum that is none does not put its line breaks into the message', async () => {
  const written = readFileSync(classifier)
  const changed = Buffer.from(written)
  changed.write('line\n'.repeat(12), changed.length - 64)
  writeFileSync(classifier, changed)
  await expect(answers()).rejects.toMatchObject({ message: expect.stringMatching(/written, "line\\nline[^\n]*$/) })
  writeFileSync(classifier, written)
})

test('a file without a checksum opens, and a warning says so', async () => {
  const { metadata: { [checksumKey]: _, ...metadata } = {}, ...model } = await readModel(classifier)
  await writeModel(at('other.onnx'), { ...model, metadata })
  for (const [file, warnings] of [
    [classifier, []],
    [at('other.onnx'), [expect.stringContaining('has no checksum')]],
  ] as const) {
    const opened = await openAnyClassifier(file)
    await opened.close()
    expect(opened.warnings).toEqual(warnings)
  }
})
