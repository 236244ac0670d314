// Certified radii on generated motion clips: ridge heads on an encoder pretrained on other clips, on the same architecture
// with fresh weights, and on plain pixels; DPA, Run-Off Election and Finite Aggregation over K; lethal dose predicted and
// measured; an audit.
//   npx tsx scripts/experiments/certify-motion.ts [--quick] [--out checkpoints/certify-motion] [--threads 2]
// Default: about two hours on two cores; --quick: some minutes. It can be stopped and started again. Larger runs: --clips,
// --steps, --width, --depth, --resolution, --partitions, --engine cuda.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { assertAudit, audit } from '../../src/certify/audit.ts'
import { featureDoseLearner } from '../../src/certify/dose-learner.ts'
import { lethalDose } from '../../src/certify/lethal-dose.ts'
import { lethalDoseTable, writeLethalDose } from '../../src/certify/lethal-dose-report.ts'
import { type CertifyVideosOptions, planCertification, prepareSets } from '../../src/certify-videos/index.ts'
import { writeFileAtomic } from '../../src/format/atomic.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import {
  certifyOnce,
  chooseLambda,
  type Learner,
  matchedTable,
  type Row,
  tableOf,
  writeChart,
} from './certify-study.ts'
import { pretrainOnce } from './study.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    out: { type: 'string' },
    clips: { type: 'string' },
    inputs: { type: 'string' },
    'pretrain-clips': { type: 'string' },
    steps: { type: 'string' },
    partitions: { type: 'string' },
    spread: { type: 'string', default: '4' },
    width: { type: 'string' },
    depth: { type: 'string' },
    resolution: { type: 'string' },
    frames: { type: 'string' },
    trials: { type: 'string' },
    engine: { type: 'string' },
    threads: { type: 'string', default: '2' },
  },
})
const { quick } = values
const number = (value: string | undefined, usual: number): number => (value === undefined ? usual : Number(value))
const clips = number(values.clips, quick ? 1200 : 6000)
const inputs = number(values.inputs, quick ? 200 : 1000)
const pretrainClips = number(values['pretrain-clips'], quick ? 400 : 4000)
const steps = number(values.steps, quick ? 3000 : 12_000)
const resolution = number(values.resolution, quick ? 48 : 64)
const frames = number(values.frames, quick ? 8 : 16)
const width = number(values.width, quick ? 128 : 192)
const depth = number(values.depth, quick ? 4 : 6)
const partitions = (values.partitions ?? (quick ? '5,10,20,50,100,200' : '10,25,50,100,200,400,750'))
  .split(',')
  .map(Number)
const out = values.out ?? path.join('checkpoints', `certify-motion${quick ? '-quick' : ''}`)
const threads = Number(values.threads)

/** A third larger than the clips of the model, so that crops keep their sharpness. */
const size = 2 * Math.round((resolution * 2) / 3)
async function clipsOf(name: string, count: number, seed: number): Promise<string> {
  const folder = path.join(out, 'data', name)
  if (!existsSync(path.join(folder, 'labels.csv')))
    await generateMotionDataset(folder, { clips: count, size, frames: frames + 8, seed })
  return folder
}
// Three seeds: the encoder, the scale of its features and lambda come from clips that are neither protected nor predicted.
const elsewhere = await clipsOf('elsewhere', pretrainClips, 1)
const protectedClips = await clipsOf('protected', clips, 2)
const predicted = await clipsOf('predicted', inputs, 3)

const batch = 16
const pretrained = await pretrainOnce(path.join(out, 'pretrain'), {
  data: { path: elsewhere, samplesPerClip: 4 },
  clip: { stride: 1 },
  mask: { ratio: 0.75 },
  model: {
    width,
    depth,
    heads: Math.max(1, Math.round(width / 32)),
    frames,
    resolution,
    patch: 8,
    decoder: { width: Math.max(64, width / 2), depth: 2, heads: 4 },
    // With flattened positions a model of this size learns nothing in so few steps (docs/log.md).
    positions: 'factored',
  },
  batch: { size: batch, perRun: batch },
  optimiser: { baseLearningRate: 3.2e-2, minimumBaseLearningRate: 1e-3, countRepeats: true, clipNorm: 1 },
  schedule: { duration: `${steps} steps`, warmup: `${Math.floor(steps / 20)} steps` },
  checkpoint: { every: `${Math.max(50, Math.floor(steps / 20))} steps`, keep: 1 },
  log: { every: `${Math.max(10, Math.floor(steps / 20))} steps`, tensorboard: false },
  engine: { name: values.engine ?? null, threads },
})

const learners: readonly Learner[] = [
  { name: 'pretrained on other clips', from: pretrained.run },
  { name: 'same encoder, fresh weights', from: `untrained:${pretrained.run}` },
  { name: 'pixels', from: 'pixels' },
]
const videosOf = (learner: Learner): CertifyVideosOptions => ({
  data: protectedClips,
  test: predicted,
  from: learner.from,
  trusted: elsewhere,
  cache: path.join(out, 'store'),
  stride: 1,
  engine: values.engine ?? null,
  threads,
  onNote: (note) => console.error(note),
})

const rows: Row[] = []
const lambdas = new Map<string, number>()
for (const learner of learners) {
  const { test: _, ...trusted } = { ...videosOf(learner), data: elsewhere, onNote: undefined }
  const lambda = await chooseLambda(trusted, Math.round(clips / partitions[partitions.length >> 1]))
  lambdas.set(learner.name, lambda)
  for (const k of partitions) {
    // Finite Aggregation trains d times as many learners: left out at the largest K of a default run.
    const rules = k > 400 ? (['dpa', 'roe'] as const) : (['dpa', 'roe', 'fa'] as const)
    const spread = Number(values.spread)
    const done = await certifyOnce(out, learner, videosOf(learner), { k, rules, spread, by: 'content', lambda })
    rows.push(...done)
    console.error(tableOf(done).split('\n').slice(2).join('\n'))
  }
}
const table = tableOf(rows)
const matched = matchedTable(rows)
await writeFileAtomic(path.join(out, 'table.md'), `${table}\n${matched}`)
const middle = partitions[partitions.length >> 1]
const title = `Generated motion clips, N = ${clips}, K = ${middle}`
const shown = rows.filter((row) => row.partitions === middle)
await writeChart(path.join(out, 'certified-accuracy.svg'), title, 'insertions and deletions', shown)

const sets = new Map<string, Awaited<ReturnType<typeof prepareSets>>>()
for (const learner of learners) {
  const videos = { ...videosOf(learner), onNote: undefined }
  sets.set(learner.name, await prepareSets(await planCertification(videos), videos))
}
const dose = await lethalDose(
  learners.map(({ name }) => {
    const { set, test } = sets.get(name)!
    return featureDoseLearner(set, test, { name, head: { kind: 'ridge', lambda: lambdas.get(name) }, threads })
  }),
  { partitions, accuracies: [0.2, 0.3, 0.4, 0.5, 0.6, 0.7] },
)
await writeLethalDose(path.join(out, 'lethal-dose'), dose)

console.log(
  `N = ${clips} protected clips, ${inputs} inputs, encoder of width ${width} and depth ${depth} at ${resolution} pixels`,
)
console.log(`pretraining on ${pretrainClips} other clips, ${steps} x ${batch}: ${pretrained.curve}`)
console.log(
  `trust: ${learners.map(({ name }) => `${name}: ${rows.find((row) => row.learner === name)?.trust}`).join('; ')}`,
)
console.log(`lambda, chosen on the other clips: ${JSON.stringify(Object.fromEntries(lambdas))}\n`)
console.log(`${table}\n${matched}\n${lethalDoseTable(dose)}`)

const trials = number(values.trials, quick ? 40 : 200)
const { set, test } = sets.get(learners[0].name)!
for (const rule of ['dpa', 'roe', 'fa'] as const) {
  const head = { kind: 'ridge', lambda: lambdas.get(learners[0].name) } as const
  const report = await audit(set, test, {
    rule,
    head,
    by: 'content',
    partitions: middle,
    spread: 2,
    trials,
    threads: 1,
  })
  await writeFileAtomic(path.join(out, `audit-${rule}.json`), `${JSON.stringify(report)}\n`)
  const { poisons, changedLearners, allowedLearners, checkedPredictions, violations, attacks } = report
  console.log(
    `audit ${rule} K=${middle}: ${trials} poisonings, ${poisons} poisons, ${changedLearners} of ${allowedLearners} allowed learners changed, ` +
      `${checkedPredictions} predictions checked, ${violations.length} violations; attacks: ${attacks.beyond} of ${attacks.tried} at radius + 1, ${attacks.within} within`,
  )
  assertAudit(report)
}
console.log(`\nwritten to ${out}`)
