// Certified radii on the fights clips (300 clips of 72 source videos), five folds that keep sources apart; one poisoned sample is a
// video (buckets by content) or a whole source (buckets by source). Learners as in certify-motion.ts.
//   npx tsx scripts/experiments/certify-fights.ts [--quick] [--encoder DIR] [--out checkpoints/certify-fights] [--threads 2]
// With --encoder about 20 minutes on two cores for a small encoder; without it one is pretrained on other videos first.
// --quick: some minutes. It can be stopped and started again. Other runs: --partitions and --sources (K by content and by
// source), --attentive, --full, --scratch (K of these learners, or none), --trained-spread (their d of Finite Aggregation, or
// none: each d trains d times as many), --only scratch (learners whose name has this in it; those from scratch, on pixels and
// on random features need no pretraining), --readout motion (what heads read of the tokens; without it their mean, and all colors of
// pixels), --threat label_flip (for an encoder that has seen these clips without labels), --epochs, --steps, --width, --depth,
// --resolution, --frames, --engine cuda. Writes radii.csv of the folder, in the form of dev/results/. Data: VIDEOMAE_TEST_DATA, else ../shared/data.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { threats } from '../../src/certify/threat/names.ts'
import type { Threat } from '../../src/certify.ts'
import { type ResultRow, writeResults } from '../support/results-file.ts'
import {
  type EncoderInput,
  encoderFolder,
  encoderOf,
  learnersOf,
  listOr,
  studyOptions,
  trainedSpread,
  withLambdas,
} from './support/certify-learners.ts'
import { radiiByPartitions, sweep, writeStudy } from './support/certify-study.ts'
import { numberOr } from './support/study.ts'

const { values } = parseArgs({
  options: {
    ...studyOptions,
    ...{
      sources: { type: 'string' },
      lambda: { type: 'string' },
      readout: { type: 'string' },
      threat: { type: 'string' },
    },
  },
})
const { quick } = values
const out = values.out ?? path.join('checkpoints', `certify-fights${quick ? '-quick' : ''}`)
const threads = Number(values.threads)
const data = process.env.VIDEOMAE_TEST_DATA ?? '../shared/data'
const fights = path.resolve(data, 'fights')
if (!existsSync(fights)) throw new Error(`Expected the data set fights at ${fights}; set VIDEOMAE_TEST_DATA.`)

const isThreat = (text: string): text is Threat => threats.some((name) => name === text)

/** Lists with absolute paths, one pair a fold. */
function writeFolds(): { readonly data: string; readonly test: string }[] {
  const lines = readFileSync(path.join(fights, 'labels.csv'), 'utf8').trim().split(/\r?\n/).slice(1)
  const clips = lines.map((line) => line.split(','))
  mkdirSync(path.join(out, 'folds'), { recursive: true })
  return [...new Set(clips.map(([, , , fold]) => fold))].sort().map((fold) => {
    const write = (name: string, chosen: string[][]) => {
      const file = path.join(out, 'folds', `${name}-${fold}.csv`)
      const rows = chosen.map(([clip, label, group]) => `${path.join(fights, clip)},${label},${group}`)
      writeFileSync(file, `path,label,group\n${rows.join('\n')}\n`)
      return file
    }
    const [protectedClips, predicted] = [(f: string) => f !== fold, (f: string) => f === fold].map((chosen) =>
      clips.filter(([, , , other]) => chosen(other)),
    )
    return { data: write('protected', protectedClips), test: write('predicted', predicted) }
  })
}

// None of these videos is in the fights set: the manifest of the encoder is checked against the protected clips.
const elsewhere = ['skateboard', 'weizmann4', ...(quick ? [] : ['pile'])].map((name) => path.join(data, name))
const usual = quick
  ? { steps: 100, width: 96, depth: 4, resolution: 48, frames: 8 }
  : { steps: 4000, width: 128, depth: 4, resolution: 64, frames: 8 }
const from = encoderFolder(values, out)
const costly = {
  attentive: listOr(values.attentive, quick ? 'none' : '5,15'),
  full: listOr(values.full, quick ? 'none' : '5'),
  scratch: listOr(values.scratch, quick ? 'none' : '5'),
}
const named = { epochs: numberOr(values.epochs, quick ? 4 : 15), only: values.only, readout: values.readout }
const all = [
  { by: 'content', unit: 'one clip', heads: listOr(values.partitions, quick ? '3,9' : '3,5,9,15,25') },
  { by: 'source', unit: 'one source with all its clips', heads: listOr(values.sources, quick ? '3,9' : '3,5,9,15') },
] as const
const trained = Object.values(costly).some((ks) => ks.length > 0)
const cases = all.filter(({ heads }) => trained || heads.length > 0)
if (values.threat !== undefined && !isThreat(values.threat))
  throw new Error(`Expected one of ${threats.join(', ')} for --threat.`)
const { threat } = values
const learners = cases.map(({ heads }) => learnersOf(from, { heads, ...costly }, named))
const pretraining: EncoderInput = {
  data: { path: elsewhere, samplesPerClip: 8 },
  clip: { stride: 2, crop: 'random-resized', cropScale: [0.5, 1] },
  mask: { ratio: 0.75 },
}
const { story } = await encoderOf(values, out, usual, pretraining, learners.flat())
// Lambda is a constant: there are no trusted labels to choose it on.
const lambda = numberOr(values.lambda, 0.1)
const lambdas = new Map(['pixels', `untrained:${from}`, from].map((location) => [location, lambda]))

const tables: string[] = []
const results: ResultRow[] = []
// Every row of the file has all K.
const shown = [...new Set(learners.flat().flatMap(({ partitions }) => partitions))].sort((a, b) => a - b)
const folds = writeFolds()
for (const [i, { by, unit }] of cases.entries()) {
  const rows = await sweep(out, withLambdas(learners[i], lambdas), {
    name: `fights by ${by}`,
    by,
    folds,
    ...(threat === undefined ? {} : { threat }),
    rules: () => ['dpa', 'roe', 'fa'],
    spread: numberOr(values.spread, 2),
    trainedSpread: trainedSpread(values['trained-spread']),
    videos: {
      classes: ['fight', 'noFight'],
      // Unlabeled videos that anybody may look at fix the scale of features.
      trusted: path.join(data, 'skateboard'),
      cache: path.join(out, 'store'),
      stride: 2,
      engine: values.engine ?? null,
      threads,
    },
  })
  results.push(...radiiByPartitions(rows, shown).map((row) => ({ 'one poisoned sample is': unit, ...row })))
  tables.push(`one poisoned sample is ${unit}; trust ${[...new Set(rows.map(({ trust }) => trust))].join(', ')}\n`)
  tables.push(await writeStudy(out, `fights-${by}`, { title: `fights, by ${by}`, unit }, rows))
}
if (results.length > 0) writeResults(path.join(out, 'radii.csv'), 'scripts/experiments/certify-fights.ts', results)
console.log(
  `fights: 5 folds that keep sources apart, lambda ${lambda}; ${story}\n\n${tables.join('\n')}\nwritten to ${out}`,
)
