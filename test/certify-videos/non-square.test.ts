/** Certificates with frames that are not square: heads read the features of the encoder; learners on tokens and on stored frames train and vote. */
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test, vi } from 'vitest'
import { certify } from '../../src/certify/certify.ts'
import { openFrames } from '../../src/certify/videos/learners/frame-store.ts'
import type { LearnerOptions } from '../../src/certify/videos/learners/learner-options.ts'
import { type CertifyVideosOptions, planCertification } from '../../src/certify/videos/plan.ts'
import { prepareLearners, prepareSets } from '../../src/certify/videos/prepare.ts'
import { RandomStream } from '../../src/core/random.ts'
import { fileDigest } from '../../src/format/file-digest.ts'
import { featureProgram, readEncoder } from '../../src/inference/encoder-source.ts'
import { computeFeatures } from '../../src/inference/features.ts'
import { parameterShapes } from '../../src/model/parameters.ts'
import { saveCheckpointDirectory } from '../../src/model/save-checkpoint.ts'
import { encodeFrameBytes } from '../../src/synthetic/encode.ts'
import { renderMotionClip } from '../../src/synthetic/motion.ts'
import { chooseEngine } from '../../src/train/engine-choice.ts'
import { decoding } from '../support/decoding.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { shakenState, tinyConfiguration } from '../support/tiny-model.ts'

// Against hanging only.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const folder = folderForTests('videomae-certify-non-square-')
const inFolder = (...parts: string[]) => path.join(folder, ...parts)

beforeAll(async () => {
  const configuration = tinyConfiguration({ imageSize: [8, 16] })
  const state = shakenState(parameterShapes(configuration, 'encoder'))
  await saveCheckpointDirectory(inFolder('checkpoint'), { configuration, kind: 'encoder', state })
  for (const kind of ['left', 'up'] as const) {
    mkdirSync(inFolder('data', kind), { recursive: true })
    for (let i = 0; i < 6; i++) {
      const [width, height] = [
        [16, 8],
        [96, 24],
        [32, 48],
      ][i % 3]
      const clip = renderMotionClip(kind, new RandomStream(i, kind), { width, height, frames: 8 })
      await encodeFrameBytes(inFolder('data', kind, `${i}.mp4`), clip, { width, height, framesPerSecond: 8 })
    }
  }
})

const options = (learner: LearnerOptions): CertifyVideosOptions => ({
  ...{ data: inFolder('data'), from: inFolder('checkpoint'), learner, cache: inFolder('store') },
  ...{ threads: 1, workers: 1, testShare: 0.3, engine: 'reference', processes: decoding },
})

test('features are those of the encoder on the middle clip of each video', async () => {
  const given = options({ kind: 'ridge' })
  const plan = await planCertification(given)
  const { set } = await prepareSets(plan, given)
  const encoder = await readEncoder(inFolder('checkpoint'))
  const shared = {
    cache: inFolder('other-store'),
    threads: 1,
    workers: 1,
    engine: 'reference',
    processes: decoding,
  } as const
  const { store, videos } = await computeFeatures(encoder, plan.split.train, {
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

test.each(['attentive', 'full', 'scratch'] as const)('%s learners are trained and vote', async (kind) => {
  const given = options({ kind, epochs: 1 })
  const plan = await planCertification(given)
  const { certificate } = await prepareLearners(plan, given, ({ set, test, learners }) =>
    certify(set, test, {
      ...{ learners, partitions: [2], rules: ['dpa'], by: 'content', threads: 1, directory: inFolder(kind) },
      threat: { threat: 'general', encoder: plan.encoder },
    }),
  )
  const { inputs, abstentions } = certificate.runs[0]
  expect(inputs).toHaveLength(plan.split.test.length)
  expect(abstentions).toBe(0)
})

/** [width, height] of a video, and the rectangle of it that a model with frames of 8 x 16 shows: the middle, in its proportions. */
const shown = [
  { video: [16, 8], from: [0, 0], size: [16, 8] },
  { video: [96, 24], from: [24, 0], size: [48, 24] },
  { video: [32, 48], from: [0, 16], size: [32, 16] },
] as const

/** Red grows to the right and green downwards: from 20 to 220 over the rectangle that is shown, and on in the same way around it. */
function colorAt(x: number, y: number, { from, size }: (typeof shown)[number]): [number, number, number] {
  const [u, v] = [(x + 0.5 - from[0]) / size[0], (y + 0.5 - from[1]) / size[1]]
  const grown = (share: number): number => Math.min(255, Math.max(0, 20 + 200 * share))
  return [grown(u), grown(v), 40]
}

/** A file of 8 frames with these colors. */
async function colors(kind: (typeof shown)[number]) {
  const [width, height] = kind.video
  const file = inFolder(`colors-${width}-${height}.mp4`)
  const frame = Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => colorAt(x, y, kind)),
  ).flat(2)
  const frames = Uint8Array.from(Array(8).fill(frame).flat())
  await encodeFrameBytes(file, frames, { width, height, framesPerSecond: 8, quality: 1 })
  return { path: file, id: file, digest: await fileDigest(file) }
}

test.each(shown)(
  'learners on frames see the middle of a video of $video, in the proportions of the encoder',
  async (kind) => {
    const video = await colors(kind)
    const encoder = await readEncoder(inFolder('checkpoint'))
    const opened = await openFrames(encoder, [video], { cache: inFolder('colors'), workers: 1 })
    const content = { key: video.digest, noise: null }
    const sampling = { kind: 'dense', stride: 1, fps: null } as const
    let clips = 0
    for await (const view of opened.frames.middleClips([content], { configuration: encoder.configuration, sampling })) {
      if (!view.ok) throw new Error(view.reason)
      clips++
      // At the edges of what is shown, colors mix with what is not.
      for (let t = 0; t < 4; t++)
        for (let y = 1; y < 7; y++)
          for (let x = 2; x < 14; x++) {
            const expected = colorAt(x, y, shown[0])
            for (let c = 0; c < 3; c++) {
              const found = view.clips[((t * 8 + y) * 16 + x) * 3 + c]
              expect(Math.abs(found - expected[c]), `${[t, y, x, c]}`).toBeLessThan(16)
            }
          }
    }
    expect(clips).toBe(1)
  },
)

test.each(shown.slice(1))('learners on tokens see the same of a video of $video', async (kind) => {
  const video = await colors(kind)
  const encoder = await readEncoder(inFolder('checkpoint'))
  // What `attentive` learners read.
  const options = {
    ...{ cache: inFolder('colors'), workers: 1, threads: 1, engine: 'reference', clips: 1, processes: decoding },
  } as const
  const { store } = await computeFeatures(encoder, [video], { ...options, kind: 'tokens', batch: 1 })
  const found = await store.read(video.digest)
  const { program, output, state } = featureProgram(encoder, 'tokens', 1)
  const session = await (await chooseEngine('reference')).open([program])
  await session.writeState(new Map(program.state.map(({ name }) => [name, state.get(name)!])))
  /** Tokens of 4 frames of 8 x 16 in which a pixel has the color at some place of the picture. */
  const tokensOf = async (colorOf: (x: number, y: number) => [number, number, number]) => {
    const frame = Array.from({ length: 8 }, (_, y) => Array.from({ length: 16 }, (_, x) => colorOf(x, y))).flat(2)
    return (await session.run(program.name, { frames: Uint8Array.from(Array(4).fill(frame).flat()) }))[
      output
    ] as Float32Array
  }
  const differenceFrom = (tokens: Float32Array): number =>
    Math.hypot(...tokens.map((value, i) => value - found[i])) / Math.hypot(...tokens)
  const whole = kind.video
  expect(differenceFrom(await tokensOf((x, y) => colorAt(x, y, shown[0])))).toBeLessThan(0.1)
  // Not those of the whole picture squeezed to the proportions, where there is more than the middle.
  const squeezed = await tokensOf((x, y) =>
    colorAt(((x + 0.5) / 16) * whole[0] - 0.5, ((y + 0.5) / 8) * whole[1] - 0.5, kind),
  )
  expect(differenceFrom(squeezed)).toBeGreaterThan(0.2)
  await session.close()
})
