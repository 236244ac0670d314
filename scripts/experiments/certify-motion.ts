// Certified radii on generated motion clips, of learners that know nothing (trained from scratch for each partition; ridge
// heads on pixels and on random features) and of heads on an encoder pretrained on other clips; DPA, Run-Off Election and
// Finite Aggregation over K; lethal dose predicted and measured.
//   npx tsx scripts/experiments/certify-motion.ts [--quick] [--encoder DIR] [--out checkpoints/certify-motion] [--threads 2]
// With --encoder about 25 minutes on two cores for a small encoder (width 96, 32 pixels); without it one is pretrained first (12 minutes).
// --quick: some minutes. It can be stopped and started again. Larger and other runs: --clips, --inputs, --partitions (heads),
// --attentive, --full, --scratch (K of these learners, or none), --trained-spread (their d of Finite Aggregation, or none: each
// d trains d times as many), --only scratch (learners whose name has this in it; those from scratch, on pixels and on random
// features need no pretraining), --epochs (of full and scratch), --steps, --width, --depth, --resolution, --frames, --engine
// cuda. Writes radii.csv and lethal-dose.csv of the folder, in the form of dev/results/.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import {
  type DoseLearner,
  doseLearner,
  lethalDose,
  lethalDoseTable,
  planCertification,
  prepareLearners,
  writeLethalDose,
} from '../../src/certify.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { writeResults } from '../support/results-file.ts'
import {
  chooseLambda,
  type EncoderInput,
  encoderFolder,
  encoderOf,
  learnersOf,
  listOr,
  studyOptions,
  trainedSpread,
  withLambdas,
} from './support/certify-learners.ts'
import { studyResults, sweep, writeStudy } from './support/certify-study.ts'
import { doseTable } from './support/dose-table.ts'
import { numberOr } from './support/study.ts'

const { values } = parseArgs({
  options: {
    ...studyOptions,
    clips: { type: 'string' },
    inputs: { type: 'string' },
    trusted: { type: 'string' },
    size: { type: 'string', default: '32' },
  },
})
const { quick } = values
const clips = numberOr(values.clips, quick ? 800 : 6000)
const inputs = numberOr(values.inputs, quick ? 160 : 1000)
const out = values.out ?? path.join('checkpoints', `certify-motion${quick ? '-quick' : ''}`)
const threads = Number(values.threads)
const ks = {
  heads: listOr(values.partitions, quick ? '5,20,80' : '10,25,50,100,200,400'),
  attentive: listOr(values.attentive, quick ? '5' : '10,50,100'),
  full: listOr(values.full, 'none'),
  scratch: listOr(values.scratch, quick ? '5' : '10'),
}

async function clipsOf(name: string, count: number, seed: number): Promise<string> {
  const folder = path.join(out, 'data', `${name}-${count}`)
  if (!existsSync(path.join(folder, 'labels.csv')))
    await generateMotionDataset(folder, { clips: count, size: Number(values.size), frames: 24, seed })
  return folder
}
// Three seeds: the encoder, the scale of its features and lambda come from clips that are neither protected nor predicted.
const elsewhere = await clipsOf('elsewhere', numberOr(values.trusted, quick ? 400 : 4000), 1001)
const fold = { data: await clipsOf('protected', clips, 1002), test: await clipsOf('predicted', inputs, 1003) }

const usual = quick
  ? { steps: 600, width: 96, depth: 4, resolution: 32, frames: 8 }
  : { steps: 12_000, width: 96, depth: 4, resolution: 32, frames: 8 }
const from = encoderFolder(values, out)
const chosen = learnersOf(from, ks, { epochs: numberOr(values.epochs, quick ? 5 : 8), only: values.only })
const pretraining: EncoderInput = {
  data: { path: elsewhere, samplesPerClip: 4 },
  clip: { stride: 2, crop: 'random-resized', cropScale: [0.5, 1] },
  // Whole masked frames can be filled by motion alone (docs/masks.md).
  mask: { kind: 'frame', ratio: 0.5 },
}
const { story } = await encoderOf(values, out, usual, pretraining, chosen)
const common = { trusted: elsewhere, cache: path.join(out, 'store'), engine: values.engine ?? null, threads }

const lambdas = new Map<string, number>()
const typical = Math.round(clips / ks.heads[ks.heads.length >> 1])
for (const location of new Set(chosen.filter(({ learner }) => learner.kind === 'ridge').map((ridge) => ridge.from))) {
  const { trusted: _, ...trustedOnly } = { ...common, from: location, data: elsewhere }
  lambdas.set(location, await chooseLambda(trustedOnly, typical))
}
const learners = withLambdas(chosen, lambdas)
const rows = await sweep(out, learners, {
  name: 'motion',
  by: 'content',
  folds: [fold],
  // Finite Aggregation trains d times as many learners.
  rules: (k) => (k <= 200 ? ['dpa', 'roe', 'fa'] : ['dpa', 'roe']),
  spread: numberOr(values.spread, 4),
  trainedSpread: trainedSpread(values['trained-spread']),
  videos: common,
})
const title = `Generated motion clips, N = ${clips}`
const table = await writeStudy(out, 'motion', { title, unit: 'insertions and deletions' }, rows)

const doses: DoseLearner[] = []
for (const { name, from: location, learner } of learners) {
  if (learner.kind !== 'ridge' && learner.kind !== 'linear') continue
  const videos = { ...common, ...fold, from: location, learner }
  const plan = await planCertification(videos)
  doses.push(
    await prepareLearners(plan, videos, async (prepared) =>
      doseLearner(prepared.set, prepared.test, {
        ...{ name, learners: prepared.learners, threads: 1 },
        threat: { threat: 'general', encoder: prepared.encoder },
      }),
    ),
  )
}
const script = 'scripts/experiments/certify-motion.ts'
writeResults(path.join(out, 'radii.csv'), script, studyResults(rows, clips))
let doseText = ''
if (doses.length > 0) {
  const dose = await lethalDose(doses, { partitions: ks.heads, accuracies: [0.2, 0.3, 0.4, 0.5, 0.6, 0.7] })
  await writeLethalDose(path.join(out, 'lethal-dose'), dose)
  writeResults(path.join(out, 'lethal-dose.csv'), script, doseTable(dose, 0.5, ks.heads))
  doseText = `\n${lethalDoseTable(dose)}`
}

console.log(`N = ${clips} protected clips, ${inputs} inputs; ${story}`)
console.log(
  `trust: ${learners.map(({ name }) => `${name}: ${rows.find((row) => row.learner === name)?.trust}`).join('; ')}`,
)
if (lambdas.size > 0) console.log(`lambda, chosen on other clips: ${JSON.stringify(Object.fromEntries(lambdas))}`)
console.log(`\n${table}${doseText}\nwritten to ${out}`)
