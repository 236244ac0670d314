// Times the certificate path on synthetic features, against the targets below:
//   npx tsx scripts/bench/certify.ts [--partitions 1000] [--rows 20000] [--width 768] [--inputs 2000] [--threads 2]
// (cases that were slow: certify-cliffs.ts)
// Ridge heads < 5 s, linear heads < 60 s, votes < 2 s, certificates < 1 s (DPA, Run-Off Election), < 10 s (FA, d = 16).
import { parseArgs } from 'node:util'
import { emptyBallots } from '../../src/certify/rules/ballot.ts'
import {
  type Ballots,
  certifyBallots,
  digestRows,
  type FeatureSet,
  type HeadOptions,
  headLearners,
  spreadOffsets,
  type TestSet,
} from '../../src/certify.ts'
import { RandomStream } from '../../src/model.ts'

const { values } = parseArgs({
  options: {
    partitions: { type: 'string', default: '1000' },
    rows: { type: 'string', default: '20000' },
    width: { type: 'string', default: '768' },
    inputs: { type: 'string', default: '2000' },
    threads: { type: 'string', default: '2' },
  },
})
const [partitions, rows, width, inputs, threads] = [
  values.partitions,
  values.rows,
  values.width,
  values.inputs,
  values.threads,
].map(Number)
const classes = 10

/** Ten Gaussians in `width` dimensions. */
function gaussians(count: number, seed: number): TestSet & FeatureSet {
  const centers = new RandomStream('centers')
  const means = Float32Array.from({ length: classes * width }, () => centers.normal(0, 0.35))
  const stream = new RandomStream(seed, 'rows')
  const labels = Int32Array.from({ length: count }, () => stream.integer(classes))
  const features = new Float32Array(count * width)
  for (let i = 0; i < features.length; i++)
    features[i] = means[labels[Math.floor(i / width)] * width + (i % width)] + stream.normal()
  return {
    features,
    rows: count,
    width,
    labels,
    classNames: Array.from({ length: classes }, (_, c) => `class ${c}`),
    ids: Array.from({ length: count }, (_, i) => `row-${i}`),
    digests: digestRows(features, count, width),
  }
}

async function timed<T>(name: string, target: string, work: () => Promise<T> | T): Promise<T> {
  const start = performance.now()
  const result = await work()
  console.log(`${name.padEnd(52)} ${((performance.now() - start) / 1000).toFixed(2).padStart(7)} s   ${target}`)
  return result
}

console.log(`${partitions} partitions of ${rows} x ${width}, ${inputs} inputs, ${classes} classes, ${threads} threads`)
const train = gaussians(rows, 1)
const test = gaussians(inputs, 2)
let ballots: Ballots | undefined
for (const [head, target] of [
  [{ kind: 'nearest_mean' }, ''],
  [{ kind: 'ridge' }, 'target 5 s'],
  [{ kind: 'softmax' }, 'target 60 s'],
] as readonly [HeadOptions, string][]) {
  const trained = await timed(`train ${head.kind}`, target, () =>
    headLearners(head).train(train, { by: 'content', learners: partitions, threads }),
  )
  ballots = await timed(`vote ${head.kind}`, 'target 2 s', () =>
    trained.vote(test, { from: 0, to: inputs }, { threads }),
  )
}
if (ballots === undefined) throw new Error('no head was trained')
const cast = ballots
const dpa = await timed('certify DPA', 'target 1 s', () => certifyBallots(cast, { rule: 'dpa' }))
await timed('certify Run-Off Election', 'target 1 s', () => certifyBallots(cast, { rule: 'roe' }))
const right = dpa.filter((result, t) => result.prediction === test.labels[t]).length
console.log(`  ensemble accuracy ${(right / inputs).toFixed(3)}, base votes right ${baseAccuracy(cast).toFixed(3)}`)

// Votes like these on 16 times as many learners: what Finite Aggregation has to certify.
const offsets = spreadOffsets(partitions, 16)
const spread = emptyBallots(inputs, partitions * 16, classes, classes)
for (let i = 0; i < spread.ranks.length; i++) {
  const [row, place] = [Math.floor(i / classes), i % classes]
  const [input, learner] = [Math.floor(row / (partitions * 16)), row % partitions]
  spread.ranks[i] = cast.ranks[(input * partitions + learner) * classes + place]
}
await timed('certify Finite Aggregation, d = 16', 'target 10 s', () => certifyBallots(spread, { rule: 'fa', offsets }))
await timed('certify Run-Off Election on it (first 200 inputs)', '', () =>
  certifyBallots(
    {
      ...spread,
      inputs: Math.min(200, inputs),
      ranks: spread.ranks.subarray(0, Math.min(200, inputs) * partitions * 16 * classes),
    },
    { rule: 'roe_fa', offsets },
  ),
)

function baseAccuracy(ballots: Ballots): number {
  let correct = 0
  for (let t = 0; t < ballots.inputs; t++)
    for (let i = 0; i < ballots.learners; i++)
      if (ballots.ranks[(t * ballots.learners + i) * ballots.places] === test.labels[t]) correct++
  return correct / (ballots.inputs * ballots.learners)
}
