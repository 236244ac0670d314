/** Encoders and classifiers as objects: opened once, used many times, closed. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { engineNamed } from '../../src/engine/index.ts'
import { openAnyClassifier, openEncoder, predict } from '../../src/index.ts'
import { classifierShapes, saveClassifier } from '../../src/inference/classifier.ts'
import { readEncoder } from '../../src/inference/encoder-source.ts'
import { computeFeatures } from '../../src/inference/features.ts'
import { resolveConfiguration } from '../../src/model/configuration.ts'
import { initialize } from '../../src/model/initialize.ts'
import { encodeFrameBytes } from '../../src/synthetic/encode.ts'
import { readVideos } from '../../src/video/source.ts'

let folder: string
const at = (...names: string[]) => path.join(folder, ...names)
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'videomae-opened-'))
  const configuration = resolveConfiguration({
    ...{ imageSize: 8, frames: 4, patch: 4 },
    encoder: { width: 12, depth: 1, heads: 2 },
  })
  const [head, labels] = [{ kind: 'linear' } as const, ['left', 'right']]
  const state = initialize(classifierShapes({ configuration, head, labels }), 1, 'pretrain')
  const sampling = { kind: 'dense', stride: 1, fps: null } as const
  await saveClassifier(at('model'), { configuration, head, state, labels, sampling })
  for (const [name, gray] of [
    ['a', 40],
    ['b', 200],
  ] as const)
    await encodeFrameBytes(at(`${name}.mp4`), Buffer.alloc(8 * 32 * 32 * 3, gray), {
      ...{ width: 32, height: 32, framesPerSecond: 8 },
    })
})
afterAll(() => rm(folder, { recursive: true }))
afterEach(() => {
  vi.restoreAllMocks()
})

const options = { engine: 'reference', workers: 1, batch: 1 } as const
const rowsOf = async ({ videos, store }: Awaited<ReturnType<typeof computeFeatures>>) =>
  Promise.all(videos.map(({ digest }) => store.read(digest)))

test('an encoder gives the features of computeFeatures, and one engine serves calls that ask for the same', async () => {
  const opened = vi.spyOn(await engineNamed('reference'), 'open')
  const [a, b] = [readVideos([at('a.mp4')]).entries, readVideos([at('b.mp4')]).entries]
  const expected = await computeFeatures(await readEncoder(at('model')), [...a, ...b], {
    ...options,
    cache: at('expected'),
  })
  opened.mockClear()
  const encoder = await openEncoder(at('model'))
  expect(encoder.digest).toBe(expected.encoder)
  const calls = [a, b].map((videos) => encoder.features(videos, { ...options, cache: at('own') }))
  expect((await Promise.all(calls.map(async (call) => rowsOf(await call)))).flat()).toEqual(await rowsOf(expected))
  expect(opened).toHaveBeenCalledTimes(1)
  // Another kind is another program.
  await encoder.features(a, { ...options, cache: at('own'), kind: 'tokens' })
  expect(opened).toHaveBeenCalledTimes(2)
  const written = await encoder.writeFeatures([at('a.mp4'), at('b.mp4')], { ...options, out: at('out') })
  expect(written).toMatchObject({ videos: 2, computed: 2, shape: [2, 12], encoder: encoder.digest, failures: [] })
  expect(opened).toHaveBeenCalledTimes(3)
  await Promise.all([encoder.close(), encoder.close()])
  await expect(encoder.features(a, { ...options, cache: at('own') })).rejects.toMatchObject({ code: 'ENGINE_CLOSED' })
  for (const result of opened.mock.results)
    await expect((await result.value).readState([])).rejects.toMatchObject({ code: 'ENGINE_CLOSED' })
})

test('a classifier predicts as predict does, until it is closed', async () => {
  const classifier = await openAnyClassifier(at('model'), { engine: 'reference' })
  const expected = await predict([folder], { from: at('model'), engine: 'reference', workers: 1, top: 1 })
  expect(expected).toHaveLength(2)
  for (const _ of [1, 2]) expect(await classifier.predict([folder], { workers: 1, top: 1 })).toEqual(expected)
  await classifier.close()
  await expect(classifier.predict([folder], { workers: 1 })).rejects.toMatchObject({ code: 'ENGINE_CLOSED' })
})
