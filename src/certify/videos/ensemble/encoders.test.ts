import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { sampleEnsemble } from '../../../../scripts/support/fuzzing/ensemble-format.ts'
import { resolveConfiguration } from '../../../model/configuration.ts'
import { initialize } from '../../../model/initialize.ts'
import { parameterShapes } from '../../../model/parameters.ts'
import { saveCheckpointDirectory } from '../../../model/save-checkpoint.ts'
import { saveCheckpoint } from '../../../train/checkpoint.ts'
import { emptyMetrics } from '../../../train/metrics.ts'
import { RunDirectory } from '../../../train/run-directory.ts'
import { openSources } from './encoders.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-ensemble-encoders-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('an older checkpoint in the place of a damaged one is no other encoder without a word: the damaged file is named', async () => {
  const run = new RunDirectory(folder)
  const size = { width: 8, depth: 1, heads: 1 }
  const configuration = resolveConfiguration({ imageSize: 16, frames: 2, patch: 8, encoder: size, decoder: size })
  for (const step of [1, 2]) {
    const state = initialize(parameterShapes(configuration, 'pretrain'), step)
    await saveCheckpoint(
      run,
      {
        writeModel: (place) => saveCheckpointDirectory(place, { configuration, kind: 'pretrain', state }),
        optimizer: new Map([['m', { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) }]]),
        state: {
          ...{ step, seed: 0, engine: 'onnx', metrics: emptyMetrics, badFiles: [] },
          ...{ configuration: { clip: { stride: 1, fps: null }, mask: null }, data: { entries: 1, digest: 'abc' } },
        },
      },
      2,
    )
  }
  const damaged = path.join(run.checkpointPath(2), 'model.safetensors')
  appendFileSync(damaged, ' ')
  await expect(openSources(sampleEnsemble(), { encoder: folder })).rejects.toMatchObject({
    code: 'ENSEMBLE_MISMATCH',
    hint: expect.stringMatching(/newer checkpoint is damaged.*step-00000002: model\.safetensors: expected SHA-256/),
  })
})
