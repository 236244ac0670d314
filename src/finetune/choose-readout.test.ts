import { describe, expect, test } from 'vitest'
import { RandomStream } from '../core/random.ts'
import type { LabeledVideo } from '../dataset/dataset.ts'
import type { FeatureRows } from '../inference/feature-rows.ts'
import { bestReadout, compareReadouts } from './choose-readout.ts'
import { finetuneConfiguration } from './configuration.ts'
import { leaveVideosOut } from './leave-out.ts'
import { videosToCompare } from './plan.ts'
import { trainRidgeHead } from './ridge.ts'

interface Sample {
  readonly label: number
  readonly group?: string
  readonly row: readonly number[]
}

function rowsOf(samples: readonly Sample[]): FeatureRows {
  const videos = samples.map(
    ({ label, group }, i) => ({ path: `${i}.mp4`, id: `${i}`, class: label, group, digest: `${i}` }) as LabeledVideo,
  )
  const width = samples[0].row.length
  return {
    ...{ count: samples.length, shape: [width], width, videos },
    labels: Int32Array.from(samples, ({ label }) => label),
    owners: Int32Array.from(samples.keys()),
    row: (i) => Float32Array.from(samples[i].row),
  }
}

const options = { classes: 2, seed: 0 }
const stream = new RandomStream('choose readout')

describe('readouts', () => {
  test('are compared on videos whose group was left out: telling groups apart is worth nothing', () => {
    // Twenty groups of one class each. Some values name the group; the last one tells the class, with noise.
    const names = Array.from({ length: 20 }, () => Array.from({ length: 24 }, () => stream.normal()))
    const samples = Array.from({ length: 60 }, (_, i): Sample => {
      const [group, label] = [i % 20, i % 2]
      return { label, group: `g${group}`, row: [...names[group], (label === 0 ? -1 : 1) + 0.7 * stream.normal()] }
    })
    const compared = compareReadouts(['names', 'tells'], rowsOf(samples), [24, 1], options)!
    const [named, tells] = compared.map(({ accuracy }) => accuracy)
    expect(named).toBeLessThan(0.7)
    expect(tells).toBeGreaterThan(0.8)
    expect(bestReadout(compared)).toBe('tells')
    // With every video on its own, the first one looks perfect.
    const alone = samples.map((sample) => ({ ...sample, group: undefined }))
    expect(compareReadouts(['names', 'tells'], rowsOf(alone), [24, 1], options)![0].accuracy).toBeGreaterThan(0.9)
  })

  test('cannot be compared where all videos belong together', () => {
    const samples = Array.from({ length: 8 }, (_, i) => ({ label: i % 2, group: 'one', row: [i, 1] }))
    expect(compareReadouts(['a', 'b'], rowsOf(samples), [1, 1], options)).toBeNull()
  })

  test('cannot be compared where each class is in one group: no head knows the class of the group that it lacks', () => {
    const noise = () => Array.from({ length: 8 }, () => stream.normal())
    const samples = [0, 1, 2].map((label): Sample => ({ label, row: noise() }))
    expect(compareReadouts(['a', 'b'], rowsOf(samples), [4, 4], { classes: 3, seed: 0 })).toBeNull()
    const groups = Array.from({ length: 12 }, (_, i): Sample => ({ label: i % 3, group: `g${i % 3}`, row: noise() }))
    expect(leaveVideosOut(rowsOf(groups), 3, [1], { seed: 0 })).toBeNull()
    expect(trainRidgeHead(rowsOf(groups), null, 3).leftOut).toBeNull()
  })

  test('are judged by videos whose class other groups have, and no class wins that a head does not know', () => {
    // Class 2 is in group g0 only, next to videos of class 0.
    const labels = [0, 0, 2, 2, 1, 1, 0, 1, 0, 1]
    const groups = ['g0', 'g0', 'g0', 'g0', 'g1', 'g1', 'g2', 'g2', 'g3', 'g3']
    const samples = labels.map((label, i): Sample => ({ label, group: groups[i], row: [stream.normal(), label] }))
    const { rows, scores } = leaveVideosOut(rowsOf(samples), 3, [0.1, 10], { seed: 0 })!
    expect(rows.videos.map(({ id }) => id)).toEqual(['0', '1', '4', '5', '6', '7', '8', '9'])
    expect([rows.count, [...rows.labels]]).toEqual([8, [0, 0, 1, 1, 0, 1, 0, 1]])
    for (const each of scores) {
      expect(each).toHaveLength(8)
      for (const [i, row] of each.entries()) expect(Number.isFinite(row[2]), `row ${i}`).toBe(i >= 2)
    }
    const [compared] = compareReadouts(['a'], rowsOf(samples), [2], { classes: 3, seed: 0 })!
    expect(compared.videos).toBe(8)
  })

  test('of equal worth are the first one', () => {
    const same = { accuracy: 0.5, loss: 1, videos: 4 }
    expect(
      bestReadout([
        { readout: 'a', ...same },
        { readout: 'b', ...same },
      ]),
    ).toBe('a')
    expect(
      bestReadout([
        { readout: 'a', ...same },
        { readout: 'b', ...same, loss: 0.9 },
      ]),
    ).toBe('b')
  })
})

describe('many rows', () => {
  test('are looked at in part, in whole groups that the seed draws', () => {
    const samples = Array.from({ length: 150 }, (_, i) => ({ label: i % 2, group: `g${i % 15}`, row: [i % 2] }))
    const of = (seed: number) => leaveVideosOut(rowsOf(samples), 2, [1], { seed, mostRows: 100 })!
    const { rows, scores } = of(1)
    expect(rows.count).toBe(100)
    expect(scores[0]).toHaveLength(100)
    const counts = new Map<string, number>()
    for (const { group } of rows.videos) counts.set(group!, (counts.get(group!) ?? 0) + 1)
    expect([...counts.values()]).toEqual(Array.from({ length: 10 }, () => 10))
    for (let i = 0; i < 100; i++) expect(rows.labels[i]).toBe(rows.videos[rows.owners[i]].class)
    const drawn = (seed: number) => of(seed).rows.videos.map(({ id }) => id)
    expect(drawn(1)).toEqual(drawn(1))
    expect(drawn(1)).not.toEqual(drawn(2))
  })
})

describe('a ridge head without validation videos', () => {
  test('takes the strength that is best for groups it never saw, and says how good that is', () => {
    const samples = Array.from({ length: 40 }, (_, i): Sample => {
      const label = i % 2
      const noise = Array.from({ length: 36 }, () => stream.normal())
      return { label, group: `g${i % 10}`, row: [...noise, (label === 0 ? -1.5 : 1.5) + stream.normal()] }
    })
    const lambdas = [1e-4, 0.1, 1, 10]
    const rows = rowsOf(samples)
    const { lambda, leftOut, validation } = trainRidgeHead(rows, null, 2, { lambdas })
    expect(validation).toBeNull()
    const scores = lambdas.map((one) => trainRidgeHead(rows, null, 2, { lambdas: [one] }).leftOut!)
    const best = Math.max(...scores.map(({ accuracy }) => accuracy))
    expect(leftOut!.accuracy).toBe(best)
    expect(scores[lambdas.indexOf(lambda)]).toEqual(leftOut)
    expect(scores[0].accuracy).toBeLessThan(best)
  })
})

describe('videos to compare readouts on', () => {
  const train = Array.from({ length: 900 }, (_, i) => ({ group: `g${i % 90}`, digest: `${i}` }))
  const compared = (clips: number) => videosToCompare(finetuneConfiguration({ mode: 'ridge', probe: { clips } }), train)

  test('are all of few, and whole groups of many, so that their features are no more than needed', () => {
    expect(compared(1)).toHaveLength(900)
    const some = compared(4)
    expect(some).toHaveLength(250)
    expect(new Set(some.map(({ group }) => group)).size).toBe(25)
  })
})
