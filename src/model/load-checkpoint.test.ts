import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { loadCheckpointDirectory } from './load-checkpoint.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-load-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

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
