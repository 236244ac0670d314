// Cases in which certificates were slow, next to an earlier version in the same run (`--peer`: a checkout of it, with
// node_modules): npx tsx scripts/bench/certify-cliffs.ts [--peer FOLDER] [--white-box 30000]
// Targets: Run-Off Election with 400 classes, K = 250, d = 16 below 0.1 s an input; exact coverage bounded for each input; label
// flips of heads with 30,000 samples at all. Ratios are earlier / now.
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { certifyRidgeLabelFlips } from '../../src/certify/ensemble/heads/white-box.ts'
import {
  certifyFiniteAggregationExact,
  certifyRunOffFinite,
  digestRows,
  type FeatureSet,
  headLearners,
  spreadOffsets,
} from '../../src/certify.ts'
import { RandomStream } from '../../src/model.ts'

const { values } = parseArgs({
  options: {
    peer: { type: 'string' },
    'white-box': { type: 'string', default: '30000' },
    repeats: { type: 'string', default: '3' },
  },
})
const repeats = Number(values.repeats)

/** A function of the earlier version, from the first of its files that has it; null without one. */
async function earlier<T>(name: string, ...files: readonly string[]): Promise<T | null> {
  if (values.peer === undefined) return null
  for (const file of files) {
    const module: Readonly<Record<string, unknown>> | null = await import(
      pathToFileURL(path.resolve(values.peer, 'src/certify', file)).href
    ).catch(() => null)
    if (module?.[name] !== undefined) return module[name] as T
  }
  return null
}

const milliseconds = async (work: () => unknown): Promise<number> => {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** Best of some alternating repeats, and the ratio. */
async function compare(
  name: string,
  now: () => unknown,
  before: (() => unknown) | null,
  times = repeats,
): Promise<void> {
  let [mine, theirs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (let i = 0; i < times; i++) {
    mine = Math.min(mine, await milliseconds(now))
    if (before !== null && i === 0) theirs = Math.min(theirs, await milliseconds(before))
  }
  const ratio =
    before === null ? '' : `   earlier ${theirs.toFixed(0).padStart(7)} ms   ratio ${(theirs / mine).toFixed(1)}`
  console.log(`${name.padEnd(58)} ${mine.toFixed(1).padStart(8)} ms${ratio}`)
}

type RunOff = typeof certifyRunOffFinite
const runOffBefore = await earlier<RunOff>(
  'certifyRunOffFinite',
  'rules/run-off-finite.ts',
  'rules/run-off-election.ts',
)
{
  const [classes, k, d] = [400, 250, 16]
  const offsets = spreadOffsets(k, d)
  for (const strength of [0.3, 1, 2]) {
    const stream = new RandomStream('run-off', strength * 10)
    const common = Array.from({ length: classes }, () => strength * stream.normal())
    const ballots = new Uint16Array(k * d * classes)
    for (let i = 0; i < k * d; i++) {
      const scores = common.map((mean) => mean + stream.normal())
      ballots.set(
        scores.map((_, c) => c).sort((a, b) => scores[b] - scores[a]),
        i * classes,
      )
    }
    const { radius } = certifyRunOffFinite(ballots, classes, offsets)
    await compare(
      `roe_fa, C=${classes}, K=${k}, d=${d}, an input of radius ${radius}`,
      () => certifyRunOffFinite(ballots, classes, offsets),
      runOffBefore && (() => runOffBefore(ballots, classes, offsets)),
    )
  }
}

type Exact = typeof certifyFiniteAggregationExact
const exactBefore = await earlier<Exact>('certifyFiniteAggregationExact', 'rules/coverage.ts')
for (const [k, d] of [
  [50, 16],
  [250, 16],
  [1200, 4],
  [1200, 32],
] as const) {
  for (const share of [0.4, 0.9]) {
    const stream = new RandomStream(k, d, 'coverage')
    const votes = Array.from({ length: k * d }, () => (stream.uniform() < share ? 3 : stream.integer(10)))
    const offsets = spreadOffsets(k, d)
    const found = certifyFiniteAggregationExact(votes, 10, offsets)
    await compare(
      `fa_exact, C=10, K=${k}, d=${d}, radius ${found.radius}${found.exact ? '' : ' or more'}`,
      () => certifyFiniteAggregationExact(votes, 10, offsets),
      exactBefore && (() => exactBefore(votes, 10, offsets)),
      1,
    )
  }
}

/** Four classes far apart in 64 dimensions. */
function set(rows: number): FeatureSet {
  const width = 64
  const stream = new RandomStream('white-box', rows)
  const labels = Int32Array.from({ length: rows }, () => stream.integer(4))
  const features = new Float32Array(rows * width)
  for (let i = 0; i < features.length; i++)
    features[i] = stream.normal() + (i % width === labels[Math.floor(i / width)] ? 3 : 0)
  return {
    ...{ rows, width, labels, features },
    classNames: ['a', 'b', 'c', 'd'],
    ids: Array.from({ length: rows }, (_, i) => `row-${i}`),
    digests: digestRows(features, rows, width),
  }
}

type WhiteBox = typeof certifyRidgeLabelFlips
const whiteBoxBefore = await earlier<WhiteBox>('certifyRidgeLabelFlips', 'white-box.ts')
for (const rows of [2000, Number(values['white-box'])]) {
  const training = set(rows)
  const inputs = set(20)
  const trained = await headLearners({ kind: 'ridge' }).train(training, { by: 'content', learners: 2, threads: 1 })
  const { heads, certifyLabelFlips } = trained
  if (heads === undefined || certifyLabelFlips === undefined) throw new Error('ridge heads are matrices')
  await compare(
    `white-box, ${rows} samples in 2 heads, 20 inputs`,
    () => certifyLabelFlips(inputs, { threads: 1, onNote: console.log }),
    // Above, it asks for the square of the samples of a head.
    whiteBoxBefore && rows <= 4000 ? () => whiteBoxBefore(training, { ...heads, ...trained }, inputs) : null,
    1,
  )
}
