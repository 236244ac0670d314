// Lethal dose on MNIST as still images: learning curves of closed-form learners, the radius they predict, and the radius
// that real partitions reach.
//   npx tsx scripts/experiments/mnist-lethal-dose.ts [--out checkpoints/mnist-lethal-dose] [--inputs 2000] [--threads 2]
//     [--table dev/results/mnist-lethal-dose.csv]
// About 5 minutes on 2 cores.
import { parseArgs } from 'node:util'
import {
  doseLearner,
  headLearners,
  lethalDose,
  lethalDoseTable,
  selectRows,
  writeLethalDose,
} from '../../src/certify.ts'
import { writeResults } from '../support/results-file.ts'
import { doseTable } from './support/dose-table.ts'
import { type FeatureName, featureSet, fixedProvenance, mnistFolder, readMnist } from './support/mnist/images.ts'

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'checkpoints/mnist-lethal-dose' },
    table: { type: 'string', default: 'dev/results/mnist-lethal-dose.csv' },
    inputs: { type: 'string', default: '2000' },
    threads: { type: 'string', default: '2' },
  },
})
const folder = mnistFolder()
const [train, test] = [readMnist(folder, 'train'), readMnist(folder, 't10k')]
const first = Array.from({ length: Number(values.inputs) }, (_, i) => i)
const learner = (name: string, features: FeatureName, kind: 'ridge' | 'nearest_mean') =>
  doseLearner(featureSet(train, features, 'train'), selectRows(featureSet(test, features, 'test'), first), {
    name,
    learners: headLearners({ kind }),
    threat: { threat: 'general', encoder: fixedProvenance(features) },
    threads: Number(values.threads),
  })
const report = await lethalDose(
  [
    learner('pixels, ridge', 'pixels', 'ridge'),
    learner('pixels, nearest mean', 'pixels', 'nearest_mean'),
    learner('HOG, nearest mean', 'hog', 'nearest_mean'),
    learner('HOG, ridge', 'hog', 'ridge'),
  ],
  {
    partitions: [100, 250, 500, 1000, 1500, 2000, 3000],
    subsets: 100,
    accuracies: [0.5, 0.6, 0.7, 0.8],
    targets: [0.8, 0.85, 0.9, 0.93],
    onProgress: (what) => console.error(what),
  },
)
await writeLethalDose(values.out, report)
writeResults(values.table, 'scripts/experiments/mnist-lethal-dose.ts', doseTable(report, 0.7, [500, 1000, 2000, 3000]))
console.log(`${lethalDoseTable(report)}\nwritten to ${values.out}`)
