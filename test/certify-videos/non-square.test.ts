/** Certificates with frames that are not square: heads read the features of the encoder; learners on tokens and on stored frames train and vote. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { certify } from '../../src/certify/certify.ts'
import {
  type CertifyVideosOptions,
  type LearnerOptions,
  planCertification,
  prepareLearners,
  prepareSets,
} from '../../src/certify/videos/index.ts'
import { RandomStream } from '../../src/core/random.ts'
import { saveClassifier } from '../../src/inference/classifier.ts'
import { openEncoder } from '../../src/inference/encoder-source.ts'
import { computeFeatures } from '../../src/inference/features.ts'
import { parameterShapes } from '../../src/model/parameters.ts'
import { encodeVideo } from '../../src/synthetic/encode.ts'
import { renderMotionClip } from '../../src/synthetic/motion.ts'
import { shakenState, tinyConfiguration } from '../model/tiny.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-certify-non-square-'))
const place = (...parts: string[]) => path.join(folder, ...parts)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

beforeAll(async () => {
  const configuration = tinyConfiguration({ imageSize: [8, 16] })
  const state = shakenState(parameterShapes(configuration, 'classify', 2))
  const sampling = { kind: 'dense', stride: 1, fps: null } as const
  const labels = ['left', 'up']
  await saveClassifier(place('checkpoint'), { configuration, head: { kind: 'linear' }, state, labels, sampling })
  for (const kind of ['left', 'up'] as const) {
    mkdirSync(place('data', kind), { recursive: true })
    for (let i = 0; i < 6; i++) {
      const [width, height] = [
        [16, 8],
        [96, 24],
        [32, 48],
      ][i % 3]
      const clip = renderMotionClip(kind, new RandomStream(i, kind), { width, height, frames: 8 })
      await encodeVideo(place('data', kind, `${i}.mp4`), clip, { width, height, framesPerSecond: 8 })
    }
  }
})

const options = (learner: LearnerOptions): CertifyVideosOptions => ({
  ...{ data: place('data'), from: place('checkpoint'), learner, cache: place('store') },
  ...{ threads: 1, workers: 1, testShare: 0.3, engine: 'reference' },
})

it('features are those of the encoder on the middle clip of each video', async () => {
  const given = options({ kind: 'ridge' })
  const plan = await planCertification(given)
  const { set } = await prepareSets(plan, given)
  const encoder = await openEncoder(place('checkpoint'))
  const shared = { cache: place('other-store'), threads: 1, workers: 1, engine: 'reference' } as const
  const { store, videos } = await computeFeatures(encoder, plan.division.train, {
    ...shared,
    kind: 'pooled',
    batch: 1,
    clips: 1,
  })
  expect(videos).toHaveLength(set.rows)
  for (const { video, digest } of videos) {
    const row = set.ids.indexOf(video.id)
    expect(set.features.subarray(row * set.width, (row + 1) * set.width)).toEqual(await store.read(digest))
  }
})

it.each(['attentive', 'full', 'scratch'] as const)('%s learners are trained and vote', async (kind) => {
  const given = options({ kind, epochs: 1 })
  const plan = await planCertification(given)
  const { certificate } = await prepareLearners(plan, given, ({ set, test, learners }) =>
    certify(set, test, {
      ...{ learners, partitions: [2], rules: ['dpa'], by: 'content', threads: 1, directory: place(kind) },
      threat: { threat: 'general', encoder: plan.encoder },
    }),
  )
  const { inputs, abstentions } = certificate.runs[0]
  expect(inputs).toHaveLength(plan.division.test.length)
  expect(abstentions).toBe(0)
})
