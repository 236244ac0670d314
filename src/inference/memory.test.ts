/** Predictions and features that do not fit into memory are refused with numbers, before anything is opened or decoded. */
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { folderForTests } from '../../test/support/folder-for-tests.ts'
import type { Engine } from '../engine/engine.ts'
import { presetConfiguration } from '../model/presets.ts'
import { classifierShapes } from './classifier.ts'
import { patchSource } from './encoder-source.ts'
import { computeFeatures } from './features.ts'
import { bytesOnTheWay, exportedRunNeed } from './memory.ts'
import { openClipClassifier } from './predict-videos.ts'

const memory = vi.hoisted(() => ({ available: 0 }))
vi.mock('../core/available-memory.ts', () => ({ availableMemory: () => memory.available }))
beforeEach(() => {
  memory.available = 8e9
})

const folder = folderForTests('videomae-inference-memory-')

const configuration = presetConfiguration('small')
const sampling = { kind: 'dense', stride: 1, fps: null } as const
const refusal = {
  code: 'OUT_OF_MEMORY',
  exit: 'environment',
  message: expect.stringMatching(/the available memory \([\d.]+ [GM]B\), but it needs about [\d.]+ GB \(/),
  hint: expect.stringMatching(/smaller batch, fewer clips, crops/),
}

test('counts the clips of videos that are decoded ahead, and those that wait for a run twice', () => {
  const clips = { views: 15, workers: 3, clipBytes: 100, gathered: 18 }
  expect(bytesOnTheWay(clips)).toBe(100 * (6 * 15 + 2 * 18))
  expect(bytesOnTheWay({ ...clips, videos: 1 })).toBe(100 * (15 + 2 * 15))
})

test('a file of unknown operations needs its weights, its largest batch and the clips', () => {
  const clips = { views: 1, workers: 1, clipBytes: 100, gathered: 1000, videos: 10 }
  const need = exportedRunNeed(5e6, 1000, clips)
  expect(need).toMatchObject({ state: 5e6, workspace: 4 * 100 * 10, available: 8e9 })
  expect(exportedRunNeed(5e6, 1000, { ...clips, programs: 4 }).available).toBe(2e9)
})

describe('a classifier', () => {
  const opened = new Error('opened')
  const engine = { name: 'onnx', open: () => Promise.reject(opened) } as unknown as Engine
  const shape = { configuration, head: { kind: 'linear' }, labels: ['a', 'b'] } as const
  const state = new Map([...classifierShapes(shape).keys()].map((name) => [name, new Float32Array(1)]))
  const open = (batch: number, views: number, workers = 2) =>
    openClipClassifier({ ...shape, state, sampling }, { engine, batch, given: { views, workers } })

  test('is opened where its clips fit', () => expect(open(4, 15)).rejects.toBe(opened))
  test('is refused for a large batch', () => expect(open(65_536, 15)).rejects.toMatchObject(refusal))
  test('is refused for many views', () => expect(open(4, 65_536)).rejects.toMatchObject(refusal))
  test('is refused for many decoding processes', () => expect(open(4, 15, 1024)).rejects.toMatchObject(refusal))
})

describe('features', () => {
  const source = patchSource(sampling)
  const videos = Array.from({ length: 3 }, (_, i) => ({ path: `/none/${i}.mp4`, id: `${i}`, digest: `${i}` }))
  const compute = (options: object) =>
    computeFeatures(source, videos, { cache: folder, engine: 'reference', workers: 1, ...options })

  test('are refused for a large batch', () => expect(compute({ batch: 65_536 })).rejects.toMatchObject(refusal))
  test('are refused for many views of few videos', () =>
    expect(compute({ clips: 1024, crops: 64 })).rejects.toMatchObject(refusal))
  test('are refused where there is little memory, also for windows', async () => {
    memory.available = 20e6
    const little = { ...refusal, message: expect.stringContaining('the available memory (20 MB)') }
    await expect(compute({ windowStep: 1 })).rejects.toMatchObject(little)
  })
  test('go on where it was asked before', async () => {
    memory.available = 20e6
    const { failures } = await compute({ checkMemory: false })
    expect(failures).toHaveLength(3)
  })
})
