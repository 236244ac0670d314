import { describe, expect, test } from 'vitest'
import { RandomStream } from '../core/random.ts'
import { wilsonInterval } from '../core/wilson-interval.ts'
import type { LoadedVideo } from '../video/load-clips.ts'
import { type ClipClassifier, predictFrom } from './predict-videos.ts'
import {
  accuracyBeside,
  calibrationError,
  constantWarning,
  effectiveTrials,
  majorityWarning,
  scorePredictions,
} from './scores.ts'

const rows = (...values: number[][]) => values.map((row) => Float64Array.from(row))

describe('scorePredictions', () => {
  const labels = ['a', 'b', 'c']
  const probabilities = rows([0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1])
  const scores = scorePredictions(probabilities, [0, 0, 1, 2], { labels })

  test('counts by hand', () => {
    expect(scores.top1.value).toBe(0.5)
    expect(scores.top5).toBeNull()
    expect(scores.balanced.value).toBeCloseTo((0.5 + 1 + 0) / 3, 12)
    expect(scores.confusion).toEqual([
      [1, 1, 0],
      [0, 1, 0],
      [1, 0, 0],
    ])
    expect(scores.perClass[1]).toEqual({ label: 'b', videos: 1, predicted: 2, recall: 1, precision: 0.5 })
    expect(scores.perClass[2]).toEqual({ label: 'c', videos: 1, predicted: 0, recall: 0, precision: null })
    expect(scores.loss).toBeCloseTo(-(Math.log(0.7) + Math.log(0.4) + Math.log(0.8) + Math.log(0.1)) / 4, 12)
  })

  test('says where all videos are given one class', () => {
    expect(constantWarning(scores)).toBeNull()
    const same = scorePredictions(rows([0.1, 0.7, 0.2], [0.3, 0.5, 0.2]), [0, 1], { labels })
    expect(constantWarning(same)).toBe('the classifier answers b for every video.')
    expect(constantWarning({ ...same, videos: 1, perClass: [] })).toBeNull()
  })

  test('counts top-5 and breaks ties by order', () => {
    const six = ['0', '1', '2', '3', '4', '5']
    const tied = rows([0.2, 0.2, 0.2, 0.2, 0.1, 0.1], [0.2, 0.2, 0.2, 0.2, 0.1, 0.1])
    const { top1, top5 } = scorePredictions(tied, [0, 5], { labels: six })
    expect([top1.value, top5?.value]).toEqual([0.5, 0.5])
  })

  test('refuses to score nothing', () => {
    expect(() => scorePredictions([], [], { labels })).toThrow(/at least one readable video/)
  })
})

describe('intervals', () => {
  /** Videos with a known accuracy; in groups whose members are all right or all wrong. */
  function interval(seed: number, groupSize: number) {
    const stream = new RandomStream(seed, 'truth')
    const count = 120
    const outcomes = Array.from({ length: count / groupSize }, () => stream.uniform() < 0.7)
    const truth = Array.from({ length: count }, (_, i) => (outcomes[Math.floor(i / groupSize)] ? 0 : 1))
    const groups = truth.map((_, i) => String(Math.floor(i / groupSize)))
    const predictions = truth.map(() => Float64Array.of(0.9, 0.1))
    return scorePredictions(predictions, truth, { labels: ['a', 'b'], groups }).top1
  }

  test('hold the truth about 95 times in 100, and are wider where videos come in groups', () => {
    const runs = 150
    let held = 0
    for (let seed = 0; seed < runs; seed++) {
      const { low, high } = interval(seed, 1)
      if (low <= 0.7 && 0.7 <= high) held++
    }
    expect(held / runs).toBeGreaterThan(0.88)
    const width = (size: number) => {
      const { low, high } = interval(3, size)
      return high - low
    }
    expect(width(10)).toBeGreaterThan(1.8 * width(1))
  })

  test('hold the truth where one group is as large as all others together', () => {
    const [runs, large, single] = [200, 30, 30]
    let held = 0
    for (let seed = 0; seed < runs; seed++) {
      const stream = new RandomStream(seed, 'unequal')
      const outcomes = Array.from({ length: single + 1 }, () => stream.uniform() < 0.7)
      const groupOf = Array.from({ length: large + single }, (_, i) => Math.max(0, i - large + 1))
      const { top1, groups } = scorePredictions(
        groupOf.map(() => Float64Array.of(0.9, 0.1)),
        groupOf.map((group) => (outcomes[group] ? 0 : 1)),
        { labels: ['a', 'b'], groups: groupOf.map(String) },
      )
      expect(groups).toBe(single + 1)
      if (top1.low <= 0.7 && 0.7 <= top1.high) held++
    }
    expect(held / runs).toBeGreaterThan(0.9)
    expect(effectiveTrials([3, 3, 3])).toBe(3)
    expect(effectiveTrials([30, ...new Array<number>(30).fill(1)])).toBeCloseTo(3600 / 930, 12)
    const videos = [0, 0, 0, 1].map((label, i) => ({ class: label, group: `g${label}`, path: String(i), digest: null }))
    expect(accuracyBeside(0.75, videos, ['a', 'b'])).toMatchObject({ groups: 2, accuracy: wilsonInterval(0.75, 1.6) })
  })

  test('stay open where every video is right or wrong: nothing varies, but few videos prove little', () => {
    const of = (predicted: number, groups?: string[]) =>
      scorePredictions(
        rows(...Array.from({ length: 9 }, () => (predicted === 0 ? [0.9, 0.1] : [0.1, 0.9]))),
        new Array(9).fill(0),
        {
          labels: ['a', 'b'],
          groups,
        },
      )
    // Nine of nine: Clopper and Pearson give 0.664 to 1, Wilson 0.701 to 1.
    expect(of(0).balanced.low).toBeCloseTo(0.6637, 4)
    expect(of(0).balanced).toMatchObject({ value: 1, high: 1 })
    expect(of(0).top1.low).toBeCloseTo(0.7009, 4)
    expect(of(0).top1.high).toBe(1)
    expect(of(1).top1).toMatchObject({ value: 0, low: 0 })
    expect(of(1).top1.high).toBeCloseTo(1 - of(0).top1.low, 12)
    // Of three groups, three are right: 3 / (3 + z^2).
    const grouped = of(0, ['x', 'x', 'x', 'y', 'y', 'y', 'z', 'z', 'z'])
    expect(grouped.balanced.low).toBeCloseTo(0.025 ** (1 / 3), 12)
    expect(grouped.top1.low).toBeCloseTo(3 / (3 + 1.959963984540054 ** 2), 12)
    expect([of(0).groups, grouped.groups]).toEqual([9, 3])
  })

  test('stay open where few groups are alike, or every answer is the same', () => {
    const alike = scorePredictions(rows([0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.9, 0.1]), [0, 1, 0, 1], {
      labels: ['a', 'b'],
      groups: ['x', 'x', 'y', 'y'],
    })
    // One of two groups' worth is right: Clopper and Pearson give 0.01258 to 0.98742.
    expect(alike.balanced.value).toBe(0.5)
    expect(alike.balanced.low).toBeCloseTo(0.01258, 5)
    expect(alike.balanced.high).toBeCloseTo(0.98742, 5)
    // Thirty answers of one class out of three: ten of thirty, 0.1729 to 0.5281.
    const truth = Array.from({ length: 30 }, (_, i) => i % 3)
    const constant = scorePredictions(rows(...truth.map(() => [0.5, 0.3, 0.2])), truth, { labels: ['a', 'b', 'c'] })
    expect(constant.balanced.low).toBeCloseTo(0.1729, 4)
    expect(constant.balanced.high).toBeCloseTo(0.5281, 4)
  })
})

describe('baselines', () => {
  test('are the most frequent class of the tested videos, and chance', () => {
    const truth = [2, 2, 2, 0, 1, 2]
    const { baseline } = scorePredictions(rows(...truth.map(() => [0.5, 0.3, 0.2])), truth, { labels: ['a', 'b', 'c'] })
    expect(baseline.majority).toEqual({ label: 'c', value: 4 / 6 })
    expect(baseline.chance).toBeCloseTo(1 / 3, 12)
  })

  test('stand next to an accuracy whose interval counts groups', () => {
    const videos = [0, 0, 1, 1].map((label, i) => ({ class: label, group: `g${label}`, path: String(i), digest: null }))
    const beside = accuracyBeside(0.75, videos, ['a', 'b'])
    expect(beside).toMatchObject({ videos: 4, groups: 2, accuracy: wilsonInterval(0.75, 2) })
  })

  test('count copies of a video under several names once, and parts of one file', () => {
    const of = (digests: readonly (string | null)[], paths = digests.map((_, i) => `${i}.mp4`)) => {
      const videos = digests.map((digest, i) => ({ class: i % 2, path: paths[i], digest }))
      return accuracyBeside(0.5, videos, ['a', 'b'])
    }
    expect(of(['x', 'y', 'z', 'w']).groups).toBe(4)
    expect(of(['x', 'x', 'y', 'y'])).toMatchObject({ videos: 4, groups: 2, accuracy: wilsonInterval(0.5, 2) })
    expect(of(['x#0-1', 'x#1-2', 'y', 'x']).groups).toBe(2)
    expect(of([null, null, null], ['a.mp4', 'a.mp4', 'b.mp4']).groups).toBe(2)
  })

  test('are warned of where the accuracy may be no better', () => {
    const baseline = { majority: { label: 'a', value: 0.5 }, chance: 0.5 }
    // 6 of 10: 0.313 to 0.832. 60 of 100: 0.502 to 0.691.
    expect(wilsonInterval(0.6, 10).low).toBeCloseTo(0.3127, 4)
    expect(wilsonInterval(0.6, 100).low).toBeCloseTo(0.502, 3)
    expect(wilsonInterval(0.6, 100).high).toBeCloseTo(0.6906, 4)
    expect(majorityWarning('top-1', wilsonInterval(0.6, 10), baseline)).toMatch(/top-1 60\.0 % .*always answering a/)
    expect(majorityWarning('top-1', wilsonInterval(0.6, 100), baseline)).toBeNull()
    expect(majorityWarning('top-1', wilsonInterval(0.1, 100), baseline)).toMatch(/ is worse than always answering a/)
  })
})

describe('calibrationError', () => {
  test('is the gap between confidence and accuracy, weighted by bins', () => {
    expect(calibrationError([0.9, 0.9, 0.9, 0.9], [1, 1, 1, 0])).toBeCloseTo(0.15, 12)
    expect(calibrationError([0.55, 0.95], [1, 1])).toBeCloseTo((0.45 + 0.05) / 2, 12)
    expect(calibrationError([1, 1], [1, 1])).toBe(0)
  })
})

describe('predictFrom', () => {
  /** Each clip is one byte, the index of its probabilities. */
  const table = [
    [0.9, 0.1],
    [0.2, 0.8],
    [0.3, 0.7],
  ]
  const classifier = (batch: number): ClipClassifier => ({
    labels: ['a', 'b'],
    frames: 1,
    size: { height: 1, width: 1 },
    sampling: { kind: 'dense', stride: 1, fps: null },
    batch,
    probabilities: async (clips) => Float32Array.from([...clips].flatMap((clip) => table[clip])),
    close: async () => {},
  })
  const view = {
    frames: [0],
    startSeconds: 0,
    geometry: { crop: { x: 0, y: 0, width: 1, height: 1 }, scale: { width: 1, height: 1 }, flip: false },
  }
  const video = (index: number, clips: number[]): LoadedVideo => ({
    index,
    // The same name in two folders: they must not be taken for one.
    entry: { path: `/${index}/clip.mp4`, id: `${index}/clip.mp4` },
    ok: true,
    clips: Uint8Array.from(clips),
    views: clips.map(() => view),
  })

  test.each([1, 2, 100])('merges views as the mean of their softmax, runs of %i', async (batch) => {
    const loaded: LoadedVideo[] = [
      video(0, [0, 1]),
      { index: 1, entry: { path: '/1/clip.mp4', id: '1/clip.mp4' }, ok: false, code: 'VIDEO_UNREADABLE', reason: 'no' },
      video(2, [2]),
    ]
    const results = []
    for await (const result of predictFrom(classifier(batch), loaded)) results.push(result)
    expect(results.map(({ index, ok }) => [index, ok])).toEqual([
      [0, true],
      [1, false],
      [2, true],
    ])
    const values = results.flatMap((result) => (result.ok ? [...result.probabilities] : []))
    ;[0.55, 0.45, 0.3, 0.7].forEach((expected, i) => {
      expect(values[i]).toBeCloseTo(expected, 6)
    })
  })
})
