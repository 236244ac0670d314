import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { loadCheckpointDirectory } from './load-checkpoint.ts'

const folder = folderForTests('videomae-load-')

test('an ONNX file is called what it is, not a damaged checkpoint', async () => {
  for (const name of ['classifier.onnx', 'ENCODER.ONNX']) {
    const file = path.join(folder, name)
    // The first fields of an ONNX model; as the size of a safetensors header, 7e18.
    writeFileSync(file, Buffer.from('0808120876696465', 'hex'))
    await expect(loadCheckpointDirectory(file)).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      exit: 'data',
      message: expect.stringMatching(/ONNX/),
      hint: expect.stringMatching(/run folder.*Hugging Face/),
    })
  }
  await expect(loadCheckpointDirectory(path.join(folder, 'absent.onnx'))).rejects.toMatchObject({
    code: 'SAFETENSORS_NOT_FOUND',
  })
})
