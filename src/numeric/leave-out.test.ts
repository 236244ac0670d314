import { describe, expect, test } from 'vitest'
import { RandomStream } from '../core/random.ts'
import { leaveGroupsOut } from './leave-out.ts'
import { StatisticsCache, trainRidge } from './ridge.ts'
import { Matmul } from './wasm/matmul.ts'

const matmul = new Matmul('f64')

function samplesOf(count: number, width: number, classes: number, stream: RandomStream) {
  const inputs = Float64Array.from({ length: count * (width + 1) }, (_, i) =>
    i % (width + 1) === width ? 1 : stream.normal(),
  )
  const labels = Int32Array.from({ length: count }, () => stream.integer(classes))
  return { count, width, classes, inputs, labels }
}

/** Scores of the rows of each group from a head that is trained on the other rows. */
function retrained(samples: ReturnType<typeof samplesOf>, groups: readonly number[], lambda: number): Float64Array {
  const { width, classes } = samples
  const depth = width + 1
  const scores = new Float64Array(samples.count * classes)
  for (const group of new Set(groups)) {
    const others = groups.flatMap((other, i) => (other === group ? [] : [i]))
    const inputs = Float64Array.from(others.flatMap((i) => [...samples.inputs.subarray(i * depth, (i + 1) * depth)]))
    const labels = Int32Array.from(others, (i) => samples.labels[i])
    const rows = { count: others.length, width, classes, inputs, labels, bucketSizes: [others.length], buckets: [0] }
    const head = trainRidge(rows, lambda, matmul, new StatisticsCache(1))
    for (const [i, own] of groups.entries()) {
      if (own !== group) continue
      for (let c = 0; c < classes; c++)
        for (let k = 0; k < depth; k++) scores[i * classes + c] += head[c * depth + k] * samples.inputs[i * depth + k]
    }
  }
  return scores
}

describe('ridge regression without a group', () => {
  const stream = new RandomStream('leave out')
  test.each([
    { count: 12, width: 30, classes: 2, groups: 12 },
    { count: 25, width: 4, classes: 3, groups: 7 },
    { count: 40, width: 60, classes: 5, groups: 2 },
    { count: 9, width: 3, classes: 2, groups: 1 },
  ])('scores its rows as a head does that never saw them ($count rows of $width values, $groups groups)', (shape) => {
    const samples = samplesOf(shape.count, shape.width, shape.classes, stream)
    const groups = Array.from({ length: shape.count }, (_, i) => (i < shape.groups ? i : stream.integer(shape.groups)))
    const lambdas = [0.01, 1, 30]
    const found = leaveGroupsOut(samples, groups, lambdas, matmul)
    for (const [l, lambda] of lambdas.entries()) {
      // Without any other row all weights are 0.
      const expected = shape.groups === 1 ? new Float64Array(shape.count * 2) : retrained(samples, groups, lambda)
      for (const [i, value] of expected.entries()) expect(found[l][i]).toBeCloseTo(value, 8)
    }
  })

  test('refuses a strength that leaves the system singular', () => {
    const samples = { ...samplesOf(6, 2, 2, stream), inputs: new Float64Array(18).fill(1) }
    expect(() => leaveGroupsOut(samples, [0, 1, 2, 3, 4, 5], [0], matmul)).toThrow(/positive definite/)
  })
})
