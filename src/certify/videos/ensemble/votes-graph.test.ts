/** The operators of the heads, run by ONNX Runtime, against the votes of this program. */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { RandomStream } from '../../../core/random.ts'
import { loadRuntime } from '../../../engine/onnx/runtime.ts'
import { writeModel } from '../../../format/onnx.ts'
import type { TrainedHeads } from '../../ensemble/heads/head.ts'
import { voteLearners } from '../../ensemble/heads/vote.ts'
import { applyScale, type FeatureScale } from '../scale.ts'
import { voteNames, votesGraph } from './votes-graph.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-votes-graph-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const [learners, classes, width, rows] = [12, 4, 5, 40]
const random = new RandomStream('votes graph')
const small = () => random.integer(3) - 1

/** Votes of the file and of the program on the same features. */
async function both(heads: TrainedHeads, scale: FeatureScale | null, features: Float32Array) {
  const file = path.join(folder, 'votes.onnx')
  const inputs = [{ name: voteNames.pooled, type: 'float32' as const, shape: ['batch', width] }]
  const graph = { name: 'votes', inputs, ...votesGraph(heads, scale, voteNames.pooled) }
  await writeModel(file, { irVersion: 8, opsets: [{ domain: '', version: 17 }], graph })
  const { create, Tensor } = await loadRuntime()
  const session = await create(file)
  const outputs = await session.run({ [voteNames.pooled]: new Tensor('float32', features, [rows, width]) })
  const found = Array.from(outputs[voteNames.votes].data as BigInt64Array, Number)
  await session.release()
  const set = { features, rows, width, labels: new Int32Array(rows) }
  const test = scale === null ? set : applyScale(set, scale)
  return { found, expected: Array.from((await voteLearners(heads, test, { keep: 'votes', threads: 1 })).ranks) }
}

describe('votes of the graph', () => {
  // Small whole numbers: sums are exact, so that ties are ties, and classes that a learner does not know often score most.
  const knows = Uint8Array.from({ length: learners * classes }, (_, i) => (i < 2 * classes ? 0 : random.integer(2)))
  const weights = Float32Array.from({ length: learners * classes * (width + 1) }, small)
  const features = Float32Array.from({ length: rows * width }, (_, i) => (i < width ? 0 : small()))
  const heads = (scaling: 'unit' | 'none'): TrainedHeads => ({
    ...{ head: { kind: 'ridge', lambda: 1, scaling }, classes, width, learners, weights, knows },
  })

  test('follow the program where scores tie, a class is not known, or a learner knows none', async () => {
    const { found, expected } = await both(heads('none'), null, features)
    expect(found).toEqual(expected)
    expect(found.filter((vote) => vote === classes).length).toBeGreaterThanOrEqual(2 * rows)
    expect(new Set(found).size).toBe(classes + 1)
  })

  test('follow the program on rows of unit length, a zero row too, and on scaled ones', async () => {
    const unit = await both(
      heads('unit'),
      null,
      Float32Array.from(features, (value) => value * 2),
    )
    expect(unit.found.slice(0, learners)).toEqual(unit.expected.slice(0, learners))
    const draw = () => Float64Array.from({ length: width }, () => 1 + random.uniform())
    const apart = Float32Array.from({ length: rows * width }, () => random.normal())
    const spread = { ...heads('unit'), weights: Float32Array.from(weights, () => random.normal()) }
    const scaled = await both(spread, { mean: draw(), deviation: draw() }, apart)
    expect(scaled.found).toEqual(scaled.expected)
  })
})
