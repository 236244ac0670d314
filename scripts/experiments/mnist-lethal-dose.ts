// Lethal dose on MNIST as still images: learning curves of closed-form learners, the radius they predict, and the radius
// that real partitions reach.
//   npx tsx scripts/experiments/mnist-lethal-dose.ts [--out checkpoints/mnist-lethal-dose] [--inputs 2000] [--threads 2]
// About 5 minutes on 2 cores.
import { parseArgs } from 'node:util'
import { doseLearner } from '../../src/certify/dose/dose-learner.ts'
import { lethalDose } from '../../src/certify/dose/lethal-dose.ts'
import { lethalDoseTable, writeLethalDose } from '../../src/certify/dose/lethal-dose-report.ts'
import { selectRows } from '../../src/certify/ensemble/feature-set.ts'
import { headLearners } from '../../src/certify/ensemble/heads/family.ts'
import { type FeatureName, featureSet, fixedProvenance, mnistFolder, readMnist } from './mnist/images.ts'

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'checkpoints/mnist-lethal-dose' },
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
console.log(`${lethalDoseTable(report)}\nwritten to ${values.out}`)
