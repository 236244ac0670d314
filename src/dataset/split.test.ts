import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LabeledVideo } from './dataset.ts'
import { type Split, splitDataset, splitWarnings } from './split.ts'
import { splitNames } from './split-part.ts'

function video(i: number, label: number, rest: Partial<LabeledVideo> = {}): LabeledVideo {
  return { path: `/v/${i}.mp4`, id: `${i}.mp4`, label: `c${label}`, class: label, digest: `d${i}`, ...rest }
}

const names = ['c0', 'c1', 'c2']
const sideOf = (split: Split) => new Map(splitNames.flatMap((name) => split[name].map((v) => [v.id, name] as const)))

describe('splitDataset', () => {
  test('puts every video on one side, keeps groups and equal contents together, and has every class in training', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e6 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 200 })), {
          minLength: 60,
          maxLength: 120,
        }),
        (seed, rows) => {
          // Three own groups per class, so that there is something to give to training.
          const videos = rows.map(([group, digest], i) =>
            video(i, i % 3, { group: `${i % 3}/${group}`, digest: `${i % 3}/${digest}` }),
          )
          const split = splitDataset(videos, names, { seed })
          const sides = sideOf(split)
          expect(sides.size).toBe(videos.length)
          for (const key of ['group', 'digest'] as const) {
            const seen = new Map<string, string>()
            for (const v of videos) {
              const before = seen.get(v[key]!)
              if (before !== undefined) expect(sides.get(v.id)).toBe(before)
              seen.set(v[key]!, sides.get(v.id)!)
            }
          }
          expect(splitWarnings(split)).toEqual([])
          expect(splitDataset(videos, names, { seed })).toEqual(split)
        },
      ),
      { numRuns: 60, seed: 7 },
    )
  })

  test('keeps parts of one file together, unless groups say that they are apart', () => {
    const parts = (more: (part: number) => Partial<LabeledVideo>) =>
      Array.from({ length: 60 }, (_, i) => {
        const [file, part] = [Math.floor(i / 5), i % 5]
        return video(i, i % 3, { digest: `f${file}#${part}-${part + 1}`, ...more(part) })
      })
    const fileOf = ({ digest }: LabeledVideo) => (digest ?? '').split('#')[0]
    const filesOn = (split: Split) => splitNames.map((name) => new Set(split[name].map(fileOf)))
    const split = splitDataset(
      parts(() => ({})),
      names,
      { seed: 3 },
    )
    const [train, validation, test] = filesOn(split)
    expect(test.size).toBeGreaterThan(0)
    expect([...train].filter((file) => validation.has(file) || test.has(file))).toEqual([])
    expect(splitWarnings(split)).toEqual([])

    const grouped = splitDataset(
      parts((part) => ({ group: `g${part}` })),
      names,
      { seed: 3 },
    )
    expect([...filesOn(grouped)[0]].filter((file) => filesOn(grouped)[2].has(file))).not.toEqual([])
    expect(splitWarnings(grouped)).toEqual([])

    const official = splitDataset(
      parts((part) => ({ split: part < 4 ? 'train' : 'test' })),
      names,
      { seed: 3 },
    )
    expect(splitWarnings(official).join()).toMatch(/parts of one file/)
  })

  test('holds the shares in every class', () => {
    const videos = Array.from({ length: 300 }, (_, i) => video(i, i < 30 ? 0 : i < 120 ? 1 : 2))
    const split = splitDataset(videos, names, { seed: 1, validation: 0.1, test: 0.2 })
    for (const [c, total] of [30, 90, 180].entries()) {
      const count = (side: readonly LabeledVideo[]) => side.filter((v) => v.class === c).length
      expect(count(split.validation)).toBe(total / 10)
      expect(count(split.test)).toBe(total / 5)
    }
    expect(splitDataset(videos, names, { seed: 2 }).test).not.toEqual(split.test)
  })

  test('keeps an official split and takes validation videos out of training only', () => {
    const videos = Array.from({ length: 60 }, (_, i) => video(i, i % 3, { split: i < 40 ? 'Train' : 'test' }))
    const split = splitDataset(videos, names, { seed: 0, validation: 0.25 })
    expect(split.test.map((v) => v.id)).toEqual(videos.slice(40).map((v) => v.id))
    expect(split.train.length + split.validation.length).toBe(40)
    expect(split.validation.length).toBeGreaterThan(6)
  })

  test('says which name of the split column is none', () => {
    const videos = [video(0, 0, { split: 'train' }), video(1, 1, { split: 'holdout' })]
    expect(() => splitDataset(videos, names, { seed: 0 })).toThrow(/1\.mp4 has "holdout"/)
  })

  test('names the classes that training lacks', () => {
    const videos = [video(0, 0, { split: 'train' }), video(1, 1, { split: 'train' }), video(2, 2, { split: 'test' })]
    expect(() => splitDataset(videos, names, { seed: 0 })).toThrow(/c2 has none/)
  })

  test('nests few-shot sets', () => {
    const videos = Array.from({ length: 90 }, (_, i) => video(i, i % 3))
    const of = (shots: number) => splitDataset(videos, names, { seed: 4, shots })
    const [five, ten] = [of(5), of(10)]
    expect(five.train.length).toBe(15)
    expect(ten.train.length).toBe(30)
    expect(ten.train).toEqual(expect.arrayContaining([...five.train]))
    expect(five.test).toEqual(ten.test)
  })

  test('warns of contents and groups on both sides of an official split', () => {
    const videos = [
      video(0, 0, { split: 'train', digest: 'same' }),
      video(1, 1, { split: 'train' }),
      video(2, 2, { split: 'train', group: 'g' }),
      video(3, 0, { split: 'test', digest: 'same' }),
      video(4, 2, { split: 'test', group: 'g' }),
    ]
    const warnings = splitWarnings(splitDataset(videos, names, { seed: 0, validation: 0 }))
    expect(warnings).toHaveLength(2)
    expect(warnings[0]).toContain('0.mp4 (train) and 3.mp4 (test)')
  })
})
