// The Lethal Dose Conjecture on ten Gaussians: two nearest-mean learners, one of which knows the 32 informative of 512
// dimensions. The claim: the radius grows by about the ratio of the samples they need.
//   npx tsx scripts/experiments/lethal-dose-toy.ts [--out checkpoints/lethal-dose-toy] [--table dev/results/lethal-dose-toy.csv]
//     [--threads 2]
// About a minute on 2 cores.
import { parseArgs } from 'node:util'
import { sha256 } from '../../src/certify/ensemble/hash.ts'
import {
  doseLearner,
  type FeatureSet,
  headLearners,
  lethalDose,
  lethalDoseTable,
  writeLethalDose,
} from '../../src/certify.ts'
import { RandomStream } from '../../src/model.ts'
import { writeResults } from '../support/results-file.ts'
import { doseTable } from './support/dose-table.ts'

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'checkpoints/lethal-dose-toy' },
    table: { type: 'string', default: 'dev/results/lethal-dose-toy.csv' },
    rows: { type: 'string', default: '24000' },
    separation: { type: 'string', default: '0.5' },
    threads: { type: 'string', default: '2' },
  },
})
const [rows, separation, threads] = [Number(values.rows), Number(values.separation), Number(values.threads)]
const [classes, width, informative] = [10, 512, 32]

function draw(count: number, seed: number): FeatureSet {
  const center = new RandomStream('toy means')
  const means = Float64Array.from({ length: classes * informative }, () => center.normal(0, separation))
  const stream = new RandomStream(seed, 'toy samples')
  const labels = Int32Array.from({ length: count }, () => stream.integer(classes))
  const features = new Float32Array(count * width)
  for (let i = 0; i < count; i++)
    for (let k = 0; k < width; k++)
      features[i * width + k] = stream.normal() + (k < informative ? means[labels[i] * informative + k] : 0)
  return {
    features,
    rows: count,
    width,
    labels,
    classNames: Array.from({ length: classes }, (_, c) => String(c)),
    ids: Array.from({ length: count }, (_, i) => `${seed}-${i}`),
    digests: Array.from({ length: count }, (_, i) => sha256(`${seed}-${i}`)),
  }
}

const firstColumns = (set: FeatureSet): FeatureSet => ({
  ...set,
  width: informative,
  features: Float32Array.from(
    { length: set.rows * informative },
    (_, i) => set.features[Math.floor(i / informative) * width + (i % informative)],
  ),
})

const [train, test] = [draw(rows, 1), draw(1000, 2)]
const learners = headLearners({ kind: 'nearest_mean', scaling: 'none' })
const report = await lethalDose(
  [
    doseLearner(train, test, { name: 'all 512 dimensions', learners, threads }),
    doseLearner(firstColumns(train), firstColumns(test), { name: 'the 32 informative', learners, threads }),
  ],
  { partitions: [5, 10, 20, 40, 80, 160, 320, 500, 640, 1000].filter((k) => k <= rows / 8), subsets: 100 },
)
await writeLethalDose(values.out, report)
const shown = [20, 80, 320, 1000].filter((k) => report.learners[0].rows.some(({ partitions }) => partitions === k))
writeResults(values.table, 'scripts/experiments/lethal-dose-toy.ts', doseTable(report, 0.5, shown))
console.log(`${lethalDoseTable(report)}\nwritten to ${values.out}`)
