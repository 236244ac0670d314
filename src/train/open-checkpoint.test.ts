import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import { resolveConfiguration } from '../model/configuration.ts'
import { initialize } from '../model/initialize.ts'
import { parameterShapes } from '../model/parameters.ts'
import { saveCheckpointDirectory } from '../model/save-checkpoint.ts'
import { saveCheckpoint } from './checkpoint.ts'
import { emptyMetrics } from './metrics.ts'
import { openCheckpoint } from './open-checkpoint.ts'
import { RunDirectory } from './run-directory.ts'

const folder = folderForTests('videomae-open-checkpoint-')
const checkpoint = path.join(folder, 'step-00000003')
const state = path.join(checkpoint, 'trainer-state.json')
const encoder = { width: 8, depth: 1, heads: 1 }
const configuration = resolveConfiguration({ imageSize: 16, frames: 2, patch: 8, encoder, decoder: encoder })
const weights = initialize(parameterShapes(configuration, 'pretrain'), 0)

beforeAll(async () => {
  for (const location of [checkpoint, path.join(checkpoint, 'ema'), path.join(checkpoint, 'other')]) {
    mkdirSync(location, { recursive: true })
    await saveCheckpointDirectory(location, { configuration, kind: 'pretrain', state: weights })
  }
})

const say = (clip: unknown) => writeFileSync(state, JSON.stringify({ configuration: { clip, mask: null } }))

test('tells how clips were sampled, also for the average of the weights and for a file of either', async () => {
  say({ stride: 2, fps: null, crop: 'multi-scale' })
  for (const location of ['', 'model.safetensors', 'ema', 'ema/model.safetensors']) {
    expect((await openCheckpoint(path.join(checkpoint, location))).clip, location).toEqual({ stride: 2, fps: null })
  }
  expect((await openCheckpoint(path.join(checkpoint, 'other'))).clip).toBeNull()
})

test('tells the rate that a run of an earlier version came to with its stride', async () => {
  say({ stride: 4, fps: 8 })
  expect((await openCheckpoint(checkpoint)).clip).toEqual({ stride: 1, fps: 2 })
  say({ stride: null, fps: 8 })
  expect((await openCheckpoint(checkpoint)).clip).toEqual({ stride: 1, fps: 8 })
  say({ stride: null, fps: null })
  expect((await openCheckpoint(checkpoint)).clip).toBeNull()
})

test('names a trainer state that is damaged, and what to do about it', async () => {
  writeFileSync(state, '{"configuration": {"cl')
  for (const location of ['', 'ema']) {
    await expect(openCheckpoint(path.join(checkpoint, location))).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      exit: 'data',
      message: expect.stringContaining(state),
      hint: expect.stringContaining('delete this file'),
    })
  }
})

test.each([
  ['configuration.clip.stride', { clip: { stride: 'two', fps: null }, mask: null }],
  ['configuration.clip.fps', { clip: { stride: null, fps: -5 }, mask: null }],
  ['configuration.clip', { clip: 4, mask: null }],
  ['configuration.mask.kind', { clip: null, mask: { kind: 'spiral', ratio: 0.9 } }],
  ['configuration.mask.ratio', { clip: null, mask: { kind: 'tube', ratio: '0.9' } }],
  ['configuration', null],
])('names the field of a trainer state that is malformed: %s', async (field, said) => {
  writeFileSync(state, JSON.stringify({ configuration: said }))
  await expect(openCheckpoint(checkpoint)).rejects.toMatchObject({
    code: 'CHECKPOINT_INVALID',
    exit: 'data',
    message: expect.stringContaining(`${state} as training wrote it, but ${field}: `),
    hint: expect.stringContaining('delete this file'),
  })
})

test('does not miss what a trainer state does not have', async () => {
  writeFileSync(state, JSON.stringify({ configuration: {} }))
  expect(await openCheckpoint(checkpoint)).toMatchObject({ clip: null, mask: null })
})

test('a run that has saved no checkpoint, and a name on a hub, are called what they are', async () => {
  const run = mkdtempSync(path.join(os.tmpdir(), 'videomae-unsaved-'))
  try {
    writeFileSync(path.join(run, 'config.json'), JSON.stringify({ seed: 0, derived: {} }))
    writeFileSync(path.join(run, 'metrics.jsonl'), '')
    await expect(openCheckpoint(run)).rejects.toMatchObject({
      code: 'CHECKPOINT_NOT_FOUND',
      exit: 'data',
      message: expect.stringMatching(/has saved none yet/),
      hint: expect.stringMatching(/--resume/),
    })
    await expect(openCheckpoint('owner-of-models/videomae-base')).rejects.toMatchObject({
      code: 'CHECKPOINT_NOT_FOUND',
      hint: expect.stringMatching(/videomae get owner-of-models\/videomae-base/),
    })
  } finally {
    rmSync(run, { recursive: true, force: true })
  }
})

test('says which newer checkpoint of a run is damaged, and which one is opened in its place', async () => {
  const run = new RunDirectory(path.join(folder, 'run'))
  const save = (step: number): Promise<string> => {
    const writeModel = (location: string) =>
      saveCheckpointDirectory(location, { configuration, kind: 'pretrain' as const, state: weights })
    const state = {
      ...{ step, seed: 0, engine: 'none', configuration: {}, badFiles: [], data: { entries: 1, digest: '' } },
      metrics: emptyMetrics,
    }
    return saveCheckpoint(run, { writeModel, optimizer: new Map(), state }, 2)
  }
  const [older, newer] = [await save(1), await save(2)]
  expect(await openCheckpoint(run.path)).toMatchObject({ path: newer, warnings: [] })
  const alone = path.join(folder, 'alone')
  cpSync(older, alone, { recursive: true })
  rmSync(path.join(alone, 'trainer-state.json'))
  expect((await openCheckpoint(alone)).warnings).toEqual([expect.stringContaining('how clips were sampled')])
  appendFileSync(path.join(newer, 'model.safetensors'), 'x')
  const { path: opened, warnings } = await openCheckpoint(run.path)
  expect(opened).toBe(older)
  expect(warnings).toEqual([expect.stringContaining(`${older} is used: ${newer}: model.safetensors: expected SHA-256`)])
})
