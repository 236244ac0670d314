/** Oracle: the times of the chosen frames themselves. Frames of 60 a second, so that every rate asked for is one of them. */
import { describe, expect, test } from 'vitest'
import { RandomStream } from '../core/random.ts'
import { finetuneConfiguration, loadFinetuneConfiguration } from '../finetune/configuration.ts'
import { type TestSampling, temporalViews, testSamplingSchema, trainingSampling } from '../inference/views.ts'
import { type ClipSampling, sampleClip } from '../video/sampling.ts'
import { createTimeline } from '../video/timeline.ts'
import { type ClipTiming, clipTiming, defaultTiming, positionsOf, storedTiming } from './clip-timing.ts'
import type { RunInput } from './configuration.ts'
import { loadRunConfiguration, parseOverride, runConfiguration } from './configuration-file.ts'
import { pretrainSampling } from './pretrain-data.ts'
import { plainConfiguration } from './resolve.ts'

const times = Float64Array.from({ length: 1200 }, (_, i) => i / 60)

/** Seconds from each frame of a clip to the next, as `readClip` chooses them. */
function gaps(sampling: ClipSampling): number[] {
  const timeline = createTimeline(times, { path: 'a.mp4' }, sampling.fps)
  const positions = sampleClip(sampling, timeline.length, new RandomStream(3, 'clip'))
  const seconds = positions.map((position) => times[timeline.frameAt(position)])
  return seconds.slice(1).map((time, i) => Number((time - seconds[i]).toFixed(6)))
}

const apart = (seconds: number) => new Array<number>(15).fill(Number(seconds.toFixed(6)))

describe('a rate or a stride out of bounds', () => {
  test.each([{ fps: 5e7 }, { fps: 1e12 }, { fps: 1e-300 }, { stride: 1e12 }])(
    '%j is refused wherever it comes from',
    (asked) => {
      const name = Object.keys(asked)[0]
      expect(() => clipTiming(asked, defaultTiming)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(`for ${name}`) }),
      )
      expect(() => runConfiguration({ clip: asked })).toThrow(`"clip.${name}"`)
      expect(() => finetuneConfiguration({ clip: asked })).toThrow(`"clip.${name}"`)
      const told = { kind: 'dense', stride: 1, fps: null, ...asked }
      expect(testSamplingSchema.safeParse(told).error?.issues.map(({ path }) => path)).toEqual([[name]])
    },
  )

  test('is one that nobody uses', () => {
    for (const fps of [0.1, 12, 30, 240]) expect(clipTiming({ fps }, defaultTiming)).toEqual({ stride: 1, fps })
    expect(clipTiming({ stride: 300 }, defaultTiming)).toEqual({ stride: 300, fps: null })
  })
})

describe('frames of a clip', () => {
  test.each([12, 5, 60])('are 1 / fps seconds apart in pretraining: %d', (fps) => {
    expect(gaps(pretrainSampling(runConfiguration({ clip: { fps } }).clip, 16))).toEqual(apart(1 / fps))
  })

  test.each([12, 5])('are 1 / fps seconds apart in training, tests and windows of classifiers: %d', (fps) => {
    const { clip } = finetuneConfiguration({ clip: { fps } })
    const sampling: TestSampling = { kind: 'dense', ...clipTiming(clip, defaultTiming) }
    expect(gaps(trainingSampling(sampling, 16))).toEqual(apart(1 / fps))
    for (const view of temporalViews(sampling, 16, 3)) expect(gaps(view)).toEqual(apart(1 / fps))
    expect(gaps({ kind: 'window', frames: 16, start: 7, ...positionsOf(sampling) })).toEqual(apart(1 / fps))
  })

  test('are a stride apart without a rate, 4 where none is given', () => {
    expect(gaps(pretrainSampling(runConfiguration({}).clip, 16))).toEqual(apart(4 / 60))
    expect(gaps(pretrainSampling(runConfiguration({ clip: { stride: 2 } }).clip, 16))).toEqual(apart(2 / 60))
  })

  test('of a model that an earlier version trained with both are as far apart as in its training', () => {
    const stored = testSamplingSchema.parse({ kind: 'dense', stride: 4, fps: 20 })
    expect(stored).toEqual({ kind: 'dense', stride: 1, fps: 5 })
    expect(gaps(temporalViews(stored, 16, 1)[0])).toEqual(apart(4 / 20))
    expect(storedTiming({ stride: 4, fps: null })).toEqual({ stride: 4, fps: null })
    // No stride was ever applied to segments.
    const segments = { kind: 'segments', stride: 4, fps: 20 }
    expect(testSamplingSchema.parse(segments)).toEqual({ ...segments, stride: 1 })
  })
})

describe('a stride and a rate', () => {
  const complaint = (load: Promise<unknown>) =>
    load.then(
      () => 'was accepted',
      (error: { code: string; message: string }) => `${error.code} ${error.message}`,
    )

  test('are refused together in recipes and on the command line, with what to drop', async () => {
    const text = 'clip: {stride: 2, fps: 8}\n'
    for (const load of [loadRunConfiguration, loadFinetuneConfiguration]) {
      expect(await complaint(load({ file: 'recipe.yaml', text }))).toMatch(
        /^CONFIGURATION_INVALID recipe\.yaml:1:24: "clip\.fps": .*both: 2 and 8.*Set the stride to null.* now fps 4/,
      )
      const overrides = [parseOverride('clip.fps=8')]
      expect(await complaint(load({ text: 'clip: {stride: 2}\n', overrides }))).toMatch(
        /--set clip\.fps=8: "clip\.fps"/,
      )
      const dropped = { text: 'clip: {stride: 2}\n', overrides: [...overrides, parseOverride('clip.stride=null')] }
      expect(await complaint(load(dropped))).toBe('was accepted')
    }
    expect(() => clipTiming({ stride: 2, fps: 8 }, defaultTiming)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', hint: expect.stringContaining('Set the stride to null') }),
    )
  })

  test('of a resolved run mean one thing, and its configuration is a recipe of the same run', () => {
    const configuration = runConfiguration({ clip: { fps: 8 } })
    expect(configuration.clip).toMatchObject({ stride: 1, fps: 8 })
    expect(runConfiguration(plainConfiguration(configuration) as RunInput)).toEqual(configuration)
  })

  test('replace what a clip has anyway: each the other', () => {
    const trained: ClipTiming = { stride: 1, fps: 8 }
    expect(clipTiming({}, trained)).toEqual(trained)
    expect(clipTiming({ stride: 3 }, trained)).toEqual({ stride: 3, fps: null })
    expect(clipTiming({ fps: 5 }, { stride: 3, fps: null })).toEqual({ stride: 1, fps: 5 })
  })
})
