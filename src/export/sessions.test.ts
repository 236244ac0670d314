/** Whatever fails in a check, nothing of it stays open. The runtime of the file and the engine are counted and fail as they are told. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import type { Engine } from '../engine/engine.ts'
import { referenceEngine } from '../engine/reference/index.ts'
import { classifierShapes, openClassifier, saveClassifier } from '../inference/classifier.ts'
import { openClipClassifier } from '../inference/predict-videos.ts'
import { resolveConfiguration } from '../model/configuration.ts'
import { initialize } from '../model/initialize.ts'
import { checkExport } from './check.ts'
import { exportClassifier } from './classifier.ts'

type Step = 'file' | 'engine' | 'state'
const world = vi.hoisted(() => ({ opened: 0, closed: 0, fails: '' as Step | '' }))
const engine: Engine = {
  ...referenceEngine,
  async open(...args) {
    if (world.fails === 'engine') throw new Error('no engine')
    const session = await referenceEngine.open(...args)
    world.opened++
    const close = session.close.bind(session)
    session.close = () => {
      world.closed++
      return close()
    }
    if (world.fails === 'state') session.writeState = () => Promise.reject(new Error('no state'))
    return session
  },
}

vi.mock('../train/engine-choice.ts', () => ({ chooseEngine: () => Promise.resolve(engine) }))
vi.mock('onnxruntime-node', async (original) => {
  const runtime = await original<typeof import('onnxruntime-node')>()
  return {
    ...runtime,
    InferenceSession: {
      async create(file: string) {
        if (world.fails === 'file') throw new Error('no file')
        const session = await runtime.InferenceSession.create(file)
        world.opened++
        const release = session.release.bind(session)
        session.release = () => {
          world.closed++
          return release()
        }
        return session
      },
    },
  }
})

const configuration = {
  ...resolveConfiguration({ imageSize: 8, frames: 4, patch: 4, encoder: { width: 12, depth: 1, heads: 2 } }),
  useMeanPooling: true,
}
const labels = ['left', 'right']
const head = { kind: 'linear' } as const
const clips = new Uint8Array(4 * 8 * 8 * 3)

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'videomae-sessions-'))
  const state = initialize(classifierShapes({ configuration, head, labels }), 1, 'pretrain')
  const sampling = { kind: 'dense', stride: 1, fps: null } as const
  await saveClassifier(path.join(folder, 'tiny'), { configuration, head, state, labels, sampling })
})
afterAll(() => rm(folder, { recursive: true }))
beforeEach(() => {
  Object.assign(world, { opened: 0, closed: 0, fails: '' })
})

const exported = () => exportClassifier(path.join(folder, 'tiny'), { out: path.join(folder, 'tiny.onnx'), clips })

test('the check of a classifier that passes opens two sessions and closes them', async () => {
  await exported()
  expect(world).toMatchObject({ opened: 2, closed: 2 })
})

test.each(['file', 'engine', 'state'] as const)('the check of a classifier without %s', async (fails) => {
  world.fails = fails
  await expect(exported()).rejects.toThrow(`no ${fails}`)
  expect(world.closed).toBe(world.opened)
})

test('the check of an encoder whose file does not load', async () => {
  world.fails = 'file'
  const { state } = await openClassifier(path.join(folder, 'tiny'))
  const request = { file: 'x.onnx', configuration, kind: 'classify', state, input: 'uint8', clips, engine } as const
  await expect(checkExport(request)).rejects.toThrow('no file')
  expect(world.closed).toBe(world.opened)
})

test('a classifier that does not come up', async () => {
  world.fails = 'state'
  await expect(openClipClassifier(await openClassifier(path.join(folder, 'tiny')), { engine })).rejects.toThrow(
    'no state',
  )
  expect(world).toMatchObject({ opened: 1, closed: 1 })
})
