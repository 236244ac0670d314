/**
 * Oracles: closed forms solved another way (Gauss-Jordan, plain gradient descent on the weights), byte equality.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { gaussians } from '../../../../test/support/gaussians.ts'
import { ridgeScoreError } from '../../../numeric/ridge.ts'
import { Matmul } from '../../../numeric/wasm/matmul.ts'
import { ballotsOfInput, writeBallot } from '../../rules/ballot.ts'
import { spreadOffsets } from '../../rules/spread.ts'
import { type FeatureSet, selectRows, type TestSet, unitRows } from '../feature-set.ts'
import { sha256 } from '../hash.ts'
import { layOut } from '../layout.ts'
import type { EnsemblePlan, TrainedEnsemble, VoteOptions } from '../learners.ts'
import { headLearners } from './family.ts'
import { RidgeInfluence } from './influence.ts'
import { gatherSamples } from './job.ts'
import { type HeadOptions, resolveHead } from './list.ts'
import { trainJob } from './train.ts'

const set = gaussians({ rows: 240, seed: 1 })
const test20 = gaussians({ rows: 20, seed: 2 })
const folders: string[] = []
const folder = async () => {
  const made = await mkdtemp(path.join(os.tmpdir(), 'videomae-certify-'))
  folders.push(made)
  return made
}
afterAll(async () => {
  for (const made of folders) await rm(made, { recursive: true })
})
const heads: readonly HeadOptions[] = [
  { kind: 'ridge' },
  { kind: 'nearest_mean' },
  { kind: 'softmax', steps: 30 },
  { kind: 'ridge', scaling: 'none', lambda: 2 },
]
/** One row more, a new content that is called as the second row is. */
const namedAsAnother: FeatureSet = (() => {
  const more = selectRows(set, [...set.ids.keys(), 1])
  return { ...more, digests: more.digests.with(240, sha256('inserted')) }
})()
const options = (head: HeadOptions, learners: number, more: Partial<TrainOptions> = {}): TrainOptions => ({
  head,
  by: 'content',
  learners,
  threads: 1,
  ...more,
})

interface TrainOptions extends EnsemblePlan {
  readonly head: HeadOptions
}
type Trained = TrainedEnsemble<TestSet> & { readonly weights: Float32Array }

const withWeights = (ensemble: TrainedEnsemble<TestSet>): Trained => ({
  ...ensemble,
  weights: ensemble.heads?.weights ?? new Float32Array(),
})
const trainLearners = async (rows: FeatureSet, { head, ...plan }: TrainOptions): Promise<Trained> =>
  withWeights(await headLearners(head).train(rows, plan))
const mergeShards = async (rows: FeatureSet, { head, ...plan }: TrainOptions): Promise<Trained> =>
  withWeights(await headLearners(head).merge(rows, plan))
const voteLearners = (trained: Trained, inputs: TestSet, more: VoteOptions = {}) =>
  trained.vote(inputs, { from: 0, to: inputs.rows }, more)
const samplesOf = ({ head, ...plan }: TrainOptions, learner: number) =>
  gatherSamples(trainJob(resolveHead(head), layOut(set, plan)), learner)

/** Gauss-Jordan with pivoting on [n, n | m]. */
function solve(a: number[][], b: number[][]): number[][] {
  const m = a.map((row, i) => [...row, ...b[i]])
  for (let i = 0; i < m.length; i++) {
    const pivot = m.slice(i).reduce((best, row, j) => (Math.abs(row[i]) > Math.abs(m[best][i]) ? i + j : best), i)
    ;[m[i], m[pivot]] = [m[pivot], m[i]]
    m[i] = m[i].map((value) => value / m[i][i])
    for (let j = 0; j < m.length; j++) if (j !== i) m[j] = m[j].map((value, k) => value - m[j][i] * m[i][k])
  }
  return m.map((row) => row.slice(a.length))
}

describe('ridge', () => {
  // 240 rows of 12 numbers: 40 learners are dual (6 rows), 4 are primal (60 rows).
  test.each([40, 4])("with %i learners solves (X'X + lambda I) W = X'Y", async (learners) => {
    const trained = await trainLearners(set, options({ kind: 'ridge', lambda: 0.3 }, learners))
    for (let learner = 0; learner < learners; learner += 3) {
      const { count, inputs, labels } = samplesOf(options({ kind: 'ridge', lambda: 0.3 }, learners), learner)
      const x = Array.from({ length: count }, (_, i) => [...inputs.subarray(i * 13, (i + 1) * 13)])
      const gram = Array.from({ length: 13 }, (_, a) =>
        Array.from({ length: 13 }, (_, b) => x.reduce((sum, row) => sum + row[a] * row[b], a === b ? 0.3 : 0)),
      )
      const moments = Array.from({ length: 13 }, (_, a) =>
        Array.from({ length: 3 }, (_, c) => x.reduce((sum, row, i) => sum + (labels[i] === c ? row[a] : 0), 0)),
      )
      const expected = solve(gram, moments)
      for (let c = 0; c < 3; c++)
        for (let k = 0; k < 13; k++) expect(trained.weights[(learner * 3 + c) * 13 + k]).toBeCloseTo(expected[k][c], 5)
    }
  })

  test('influence times labels is the score, within the stated error', async () => {
    const trained = await trainLearners(set, options({ kind: 'ridge' }, 8))
    const samples = samplesOf(options({ kind: 'ridge' }, 8), 5)
    const scaled = unitRows(test20.features, 20, 12)
    const inputs = Float64Array.from({ length: 20 * 13 }, (_, i) =>
      i % 13 === 12 ? 1 : scaled[Math.floor(i / 13) * 12 + (i % 13)],
    )
    const alphas = new RidgeInfluence(samples, 0.1, new Matmul('f64')).of(inputs)
    const bound = ridgeScoreError(samples, 0.1, inputs)
    expect(bound).toBeLessThan(1e-3)
    for (let t = 0; t < 20; t++) {
      for (let c = 0; c < 3; c++) {
        let fromLabels = 0
        for (let j = 0; j < samples.count; j++) if (samples.labels[j] === c) fromLabels += alphas[t * samples.count + j]
        let score = 0
        for (let k = 0; k < 13; k++)
          score = Math.fround(
            score + Math.fround(Math.fround(inputs[t * 13 + k]) * trained.weights[(5 * 3 + c) * 13 + k]),
          )
        expect(Math.abs(score - fromLabels)).toBeLessThan(bound)
      }
    }
  })

  test('influence of 30,000 samples takes a system of the size of the features', () => {
    // One feature and the bias: the system is 2 x 2 and has a closed form. One of the size of the samples would take 7 GB.
    const [count, lambda, at] = [30_000, 0.5, 0.25]
    const feature = (j: number): number => ((j * 7) % 11) / 11 - 0.4
    const inputs = Float64Array.from({ length: 2 * count }, (_, i) => (i % 2 === 1 ? 1 : feature(i >> 1)))
    const samples = {
      count,
      width: 1,
      classes: 1,
      inputs,
      labels: new Int32Array(count),
      bucketSizes: [count],
      buckets: [0],
    }
    const alphas = new RidgeInfluence(samples, lambda, new Matmul('f64')).of(Float64Array.of(at, 1))
    let [squares, sum] = [lambda, 0]
    for (let j = 0; j < count; j++) {
      squares += feature(j) ** 2
      sum += feature(j)
    }
    const determinant = squares * (count + lambda) - sum ** 2
    const [slope, bias] = [((count + lambda) * at - sum) / determinant, (squares - sum * at) / determinant]
    for (const j of [0, 1, 2, 29_999]) expect(alphas[j]).toBeCloseTo(feature(j) * slope + bias, 12)
    expect(alphas).toHaveLength(count)
  })
})

test('softmax: steps on samples and steps on weights are the same method', async () => {
  // 12 rows a learner run on the Gram matrix; the oracle runs on the weights.
  const steps = 25
  const head: HeadOptions = { kind: 'softmax', steps, weightDecay: 0.01 }
  const trained = await trainLearners(set, options(head, 20))
  const { count, inputs, labels } = samplesOf(options(head, 20), 3)
  const squares = inputs.reduce((sum, value) => sum + value * value, 0)
  const step = 1 / ((0.5 * squares) / count + 0.01)
  let current = new Float64Array(39)
  let ahead = new Float64Array(39)
  for (let t = 0; t < steps; t++) {
    const gradient = ahead.map((value) => 0.01 * value)
    for (let i = 0; i < count; i++) {
      const scores = [0, 1, 2].map((c) => {
        let sum = 0
        for (let k = 0; k < 13; k++) sum += inputs[i * 13 + k] * ahead[c * 13 + k]
        return Math.exp(sum)
      })
      const total = scores[0] + scores[1] + scores[2]
      for (let c = 0; c < 3; c++)
        for (let k = 0; k < 13; k++)
          gradient[c * 13 + k] += ((scores[c] / total - (labels[i] === c ? 1 : 0)) * inputs[i * 13 + k]) / count
    }
    const next = ahead.map((value, at) => value - step * gradient[at])
    ahead = next.map((value, at) => value + (t / (t + 3)) * (value - current[at]))
    current = next
  }
  for (let at = 0; at < 39; at++) expect(trained.weights[3 * 39 + at]).toBeCloseTo(current[at], 5)
  // Primal (more than twice as many rows as features): a fall of the loss is enough here, the algebra is shared.
  const few = await trainLearners(set, options(head, 4))
  const votes = await voteLearners(few, set, { threads: 1, keep: 'votes' })
  const right = Array.from(votes.ranks).reduce(
    (sum, vote, at) => sum + (vote === set.labels[Math.floor(at / 4)] ? 1 : 0),
    0,
  )
  expect(right / (4 * 240)).toBeGreaterThan(0.8)
})

describe.each(heads)('learners with head $kind ($scaling)', (head) => {
  test('are the same bytes for any file order and any sharing of the work', async () => {
    const trained = await trainLearners(set, options(head, 12))
    const reversed = selectRows(
      set,
      Array.from({ length: 240 }, (_, i) => 239 - i),
    )
    expect((await trainLearners(reversed, options(head, 12))).records).toEqual(trained.records)
    const directory = await folder()
    for (const index of [2, 0, 1])
      await trainLearners(set, options(head, 12, { directory, shard: { index, count: 3 } }))
    const merged = await mergeShards(set, { ...options(head, 12), directory })
    expect(merged.records).toEqual(trained.records)
    expect([...merged.weights]).toEqual([...trained.weights])
    const taken = await trainLearners(set, options(head, 12, { directory }))
    expect([taken.resumed, [...taken.weights]]).toEqual([12, [...trained.weights]])
  })

  test.each([1, 3])(
    'with spread %i a change of one sample reaches the learners of its bucket and no other',
    async (d) => {
      const offsets = spreadOffsets(4, d)
      const plan = options(head, 4 * d, { offsets })
      const before = await trainLearners(set, plan)
      for (const [name, changed] of [
        [
          'deleted',
          selectRows(
            set,
            Array.from({ length: 239 }, (_, i) => i),
          ),
        ],
        ['relabeled', { ...set, labels: set.labels.with(0, (set.labels[0] + 1) % 3) }],
        ['inserted under the name of another', namedAsAnother],
      ] as readonly [string, FeatureSet][]) {
        const after = await trainLearners(changed, plan)
        const differing = after.records.filter((record, i) => record.sha256 !== before.records[i].sha256)
        expect(differing.length, name).toBe(d)
      }
    },
  )
})

test.each(heads)('a longer list of classes changes no learner and no vote: head $kind ($scaling)', async (head) => {
  // Half of the classes are new names, before and behind the others; no sample has them.
  const classNames = ['a new class', ...set.classNames, 'z new', 'zz new']
  const longer = { ...set, classNames, labels: set.labels.map((label) => label + 1) }
  const spread = { offsets: [0, 3] }
  for (const more of [{}, spread]) {
    const [before, after] = [
      await trainLearners(set, options(head, 40, more)),
      await trainLearners(longer, options(head, 40, more)),
    ]
    expect(after.records).toEqual(before.records)
    const [was, is] = [await voteLearners(before, test20), await voteLearners(after, test20)]
    const known = (ballot: ArrayLike<number>) => Array.from(ballot).filter((c) => c > 0 && c <= set.classNames.length)
    let foreign = 0
    for (let at = 0; at < 20 * 40; at++) {
      const old = was.ranks.subarray(at * was.classes, (at + 1) * was.classes)
      const now = is.ranks.subarray(at * is.classes, (at + 1) * is.classes)
      // Between any two of the old classes every learner says what it said.
      if (old[0] < was.classes) expect(known(now)).toEqual(Array.from(old, (c) => c + 1))
      if (now[0] < is.classes && !set.classNames.includes(classNames[now[0]])) foreign++
    }
    expect(foreign).toBe(0)
  }
})

test('a learner whose own classes all score below 0 votes for one of them', () => {
  const ranks = new Uint8Array(4)
  writeBallot([0, -2, 0, -1], 0, 4, ranks, 0, 4, [0, 1, 0, 1])
  expect([...ranks]).toEqual([3, 0, 2, 1])
  writeBallot([0, -2, 0, -1], 0, 4, ranks, 0, 1, [0, 1, 0, 1])
  expect(ranks[0]).toBe(3)
})

test('an empty learner abstains and leaves the others alone', async () => {
  const few = selectRows(set, [0, 1, 2, 3, 4])
  const trained = await trainLearners(few, options({ kind: 'ridge' }, 40))
  const empty = trained.records.filter((record) => record.samples === 0)
  expect(empty.length).toBeGreaterThanOrEqual(35)
  const ballots = await voteLearners(trained, test20, { threads: 1 })
  for (const { learner, samples } of trained.records)
    expect(ballotsOfInput(ballots, 7)[learner * 3] === 3).toBe(samples === 0)
})

test('votes of a learner do not depend on how many others vote or how many inputs there are', async () => {
  const trained = await trainLearners(set, options({ kind: 'ridge' }, 40))
  const all = await voteLearners(trained, test20, { threads: 1 })
  const one = await voteLearners(
    trained,
    { ...test20, features: test20.features.slice(0, 12), rows: 1, labels: test20.labels.slice(0, 1) },
    { threads: 1 },
  )
  expect([...ballotsOfInput(one, 0)]).toEqual([...ballotsOfInput(all, 0)])
  expect([...(await voteLearners(trained, test20, { threads: 1, keep: 'votes' })).ranks]).toEqual(
    [...all.ranks].filter((_, at) => at % 3 === 0),
  )
})

test('worker threads give the bytes that one thread gives', async () => {
  const plan = options({ kind: 'softmax', steps: 5 }, 16)
  const threaded = await trainLearners(set, { ...plan, threads: 2 })
  expect(threaded.records).toEqual((await trainLearners(set, plan)).records)
  expect((await voteLearners(threaded, test20, { threads: 2 })).ranks).toEqual(
    (await voteLearners(threaded, test20, { threads: 1 })).ranks,
  )
})
