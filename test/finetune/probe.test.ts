import { describe, expect, test } from 'vitest'
import { RandomStream } from '../../src/core/random.ts'
import type { LabeledVideo } from '../../src/dataset/dataset.ts'
import { quantizeRows } from '../../src/export/classifier-precision.ts'
import { probeProbabilities, trainProbe } from '../../src/finetune/probe.ts'
import { trainRidgeHead } from '../../src/finetune/ridge.ts'
import { accuracyOf, type FeatureRows, linearLogits, mergeViews } from '../../src/inference/feature-rows.ts'

const classes = 3

/** Rows whose classes differ in mean, of widely different scales per value; two views of every video. */
function features(videos: number, shape: readonly number[], seed: number): FeatureRows {
  const random = new RandomStream(seed, 'features')
  const width = shape.reduce((a, b) => a * b, 1)
  const owners = Int32Array.from({ length: 2 * videos }, (_, i) => i >> 1)
  const label = (owner: number): number => owner % classes
  const rows = Array.from(owners, (owner) =>
    Float32Array.from({ length: width }, (_, k) => {
      const mean = k % 5 === label(owner) ? 1.5 : 0
      return 10 ** ((k % 3) - 1) * (mean + random.normal()) + (k % 7)
    }),
  )
  return {
    count: rows.length,
    shape,
    width,
    labels: Int32Array.from(owners, label),
    owners,
    videos: Array.from({ length: videos }, (_, v): LabeledVideo => {
      return { path: `/${v}`, id: String(v), label: String(label(v)), class: label(v), digest: null }
    }),
    row: (i) => rows[i],
  }
}

/** Noise, but for one token at a random position, which points into the direction of its class. */
function oneTokenTells(rows: FeatureRows, seed: number): FeatureRows {
  const random = new RandomStream(seed, 'tokens')
  const [tokens, width] = rows.shape
  const made = Array.from(rows.labels, (label) => {
    const index = random.integer(tokens)
    return Float32Array.from({ length: tokens * width }, (_, k) => {
      const told = Math.floor(k / width) === index && k % width === label
      return 0.5 * random.normal() + (told ? 4 : 0)
    })
  })
  return { ...rows, row: (i) => made[i] }
}

const engine = { engine: 'onnx', threads: 1 } as const

describe('heads on features', () => {
  const train = features(60, [12], 1)
  const validation = features(30, [12], 2)
  const held = features(60, [12], 3)

  test('ridge solves the normal equations of standardized rows', () => {
    const count = train.count
    const lambda = 0.01
    const head = trainRidgeHead(train, validation, classes, { lambdas: [lambda] })
    // Gradient of |X w - y|^2 + lambda n |w|^2 at the solution, bias column included, is zero.
    const mean = Array.from({ length: 12 }, (_, k) => sum(count, (i) => train.row(i)[k]) / count)
    const deviation = mean.map((m, k) => Math.sqrt(sum(count, (i) => (train.row(i)[k] - m) ** 2) / count))
    for (let c = 0; c < classes; c++) {
      const w = mean.map((_, k) => (head.weight[c * 12 + k] / head.temperature) * deviation[k])
      const bias = head.bias[c] / head.temperature + mean.reduce((s, m, k) => s + (w[k] * m) / deviation[k], 0)
      const residual = Array.from({ length: count }, (_, i) => {
        const x = mean.map((m, k) => (train.row(i)[k] - m) / deviation[k])
        return x.reduce((s, value, k) => s + value * w[k], bias) - (train.labels[i] === c ? 1 : 0)
      })
      for (let k = 0; k < 12; k++) {
        const gradient =
          sum(count, (i) => (residual[i] * (train.row(i)[k] - mean[k])) / deviation[k]) + lambda * count * w[k]
        expect(Math.abs(gradient) / count).toBeLessThan(1e-5)
      }
      expect(Math.abs(sum(count, (i) => residual[i]) + lambda * count * bias) / count).toBeLessThan(1e-5)
    }
  })

  test('ridge calibrates its probabilities on the validation videos, with one more video of every class', () => {
    const head = trainRidgeHead(train, validation, classes)
    const merged = (factor: number) =>
      mergeViews(validation, (i) => linearLogits(head, validation.row(i)).map((value) => value * factor), classes)
    // Every video once with its own class for each video there is, and once with each class.
    const { videos } = validation
    const lossAt = (factor: number) =>
      merged(factor).reduce((loss, row, v) => {
        const own = videos.map(() => videos[v].class)
        return [...own, 0, 1, 2].reduce((part, c) => part - Math.log(row[c]), loss)
      }, 0)
    expect(lossAt(1)).toBeLessThan(lossAt(1.1))
    expect(lossAt(1)).toBeLessThan(lossAt(0.9))
    expect(head.validation!.loss).toBeCloseTo(accuracyOf(validation, merged(1)).loss, 4)
  })

  test('ridge is not sure of itself after a few validation videos that all are right', () => {
    const few = oneTokenTells(features(6, [1, 12], 4), 4)
    const head = trainRidgeHead(oneTokenTells(features(60, [1, 12], 5), 5), few, classes)
    expect(head.validation!.accuracy).toBe(1)
    const sure = mergeViews(few, (i) => linearLogits(head, few.row(i)), classes).map((row) => Math.max(...row))
    // Rule of succession: (6 + 1) / (6 + 3).
    expect(sum(6, (v) => sure[v]) / 6).toBeCloseTo(7 / 9, 1)
  })

  test('linear learns, and its folded weights give what training gave', async () => {
    const result = await trainProbe(train, validation, {
      head: { kind: 'linear' },
      classes,
      seed: 0,
      epochs: 30,
      ...engine,
    })
    const linear = { weight: result.state.get('head.weight')!, bias: result.state.get('head.bias')! }
    const scores = (rows: FeatureRows) =>
      accuracyOf(
        rows,
        mergeViews(rows, (i) => linearLogits(linear, rows.row(i)), classes),
      )
    expect(scores(validation).accuracy).toBe(result.validation!.accuracy)
    expect(scores(validation).loss).toBeCloseTo(result.validation!.loss, 4)
    expect(scores(held).accuracy).toBeGreaterThan(0.8)
  })

  test('attentive learns what only some tokens tell', async () => {
    const head = { kind: 'attentive', heads: 1, mlpWidth: 16 } as const
    const [a, b, c] = [1, 2, 3].map((seed) => oneTokenTells(features(90, [6, 8], seed), seed))
    const result = await trainProbe(a, b, { head, classes, seed: 0, epochs: 40, learningRate: 3e-3, ...engine })
    const merged = await probeProbabilities(c, result.state, { head, classes, ...engine })
    expect(accuracyOf(c, merged).accuracy).toBeGreaterThan(0.8)
  })

  test('is the same for the same seed', async () => {
    const options = { head: { kind: 'linear' }, classes, seed: 7, epochs: 2, ...engine } as const
    const [a, b] = [await trainProbe(train, null, options), await trainProbe(train, null, options)]
    expect(a.state).toEqual(b.state)
    expect(a.validation).toBeNull()
  })
})

describe('quantizeRows', () => {
  test('is off by at most half a step per row', () => {
    const random = new RandomStream('weights')
    const weights = Float32Array.from({ length: 40 }, (_, i) => random.normal() * (i < 20 ? 1 : 100))
    const { values, scales } = quantizeRows(weights, 2, 127)
    weights.forEach((weight, i) => {
      const scale = scales[Math.floor(i / 20)]
      expect(Math.abs(values[i] * scale - weight)).toBeLessThanOrEqual(scale / 2 + 1e-6)
    })
    expect(Math.max(...values.map(Math.abs))).toBe(127)
  })
})

function sum(count: number, value: (i: number) => number): number {
  let total = 0
  for (let i = 0; i < count; i++) total += value(i)
  return total
}
