/** Predictions with a classifier that says which frames it was shown. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { predict } from '../../src/inference/predict.ts'
import type { ClipClassifier } from '../../src/inference/predict-videos.ts'
import { encodeFrameBytes } from '../../src/synthetic/encode.ts'

let folder: string
let video: string
/** Pictures of one gray, 20 brighter each second: 5 s at 10 frames a second. */
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'videomae-predict-'))
  video = path.join(folder, 'long.mp4')
  const frames = Buffer.concat(
    Array.from({ length: 50 }, (_, t) => Buffer.alloc(32 * 32 * 3, 40 + 20 * Math.floor(t / 10))),
  )
  await encodeFrameBytes(video, frames, { width: 32, height: 32, framesPerSecond: 10 })
  await writeFile(path.join(folder, 'broken.mp4'), 'no video')
})
afterAll(() => rm(folder, { recursive: true }))

/** Class 0 is as probable as the clip is bright. */
const closed: string[] = []
const classifier: ClipClassifier = {
  ...{ labels: ['bright', 'dark'], frames: 2, size: { height: 16, width: 16 }, batch: 4 },
  sampling: { kind: 'dense', stride: 1, fps: null },
  async probabilities(clips) {
    const bytes = 2 * 16 * 16 * 3
    return Float32Array.from({ length: (2 * clips.length) / bytes }, (_, i) => {
      const mean = clips[Math.floor(i / 2) * bytes] / 255
      return i % 2 === 0 ? mean : 1 - mean
    })
  },
  async close() {
    closed.push('closed')
  },
}

describe('predict', () => {
  test('gives a time line in windows, and says which answers are below the threshold', async () => {
    const given = [video, path.join(folder, 'broken.mp4')]
    const options = { from: classifier, windowSeconds: 1, threshold: 0.6, top: 1, workers: 1 }
    const predictions = await predict(given, options)
    expect(predictions.map(({ part }) => part && [part.start, part.end])).toEqual([
      ...[0, 1, 2, 3, 4].map((second) => [second, second + 1]),
      undefined,
    ])
    const read = predictions.slice(0, 5).map((one) => {
      if (!one.ok) throw new Error(one.reason)
      expect(one.classes).toHaveLength(1)
      const [{ label, probability }] = one.classes
      return [one.label, (label === 'bright' ? probability : 1 - probability) * 255] as const
    })
    // 1 - 40 / 255 is 0.84: dark; 100 / 255 is 0.39: dark by 0.61; 120 / 255 is 0.47: neither reaches 0.6.
    expect(read.map(([label]) => label)).toEqual(['dark', 'dark', 'dark', 'dark', null])
    for (const [second, [, gray]] of read.entries()) expect(Math.abs(gray - 40 - 20 * second)).toBeLessThan(5)
    expect(predictions[5]).toMatchObject({ ok: false, video: given[1], code: expect.stringMatching(/^VIDEO_/) })
    // Whoever opened it closes it.
    expect(closed).toEqual([])
  })

  test('refuses a threshold that is no probability, and windows without a length', async () => {
    for (const wrong of [{ threshold: 1.5 }, { threshold: Number.NaN }, { windowSeconds: 0 }])
      await expect(predict([video], { from: classifier, ...wrong })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})
