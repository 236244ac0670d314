// Audits the certificates of every rule on features of videos: random insertions, deletions, edits and label flips, everything
// trained again each time; then attacks with radius + 1 poisoned samples, which show how tight the radii are.
//   npx tsx scripts/experiments/certify-audit.ts [--encoder DIR] [--data motion|mnist] [--trials 200] [--only dpa,roe] [--threads 2]
// Default: 1,200 generated motion clips on an encoder that is named or pretrained on other clips, minutes to half an hour by
// rule on two cores; mnist: HOG features of images, all rules but DPA*. DPA* trains its learners one by one, so it has clips of
// its own: 60 of three classes, 5 x 2 learners. Finished audits are kept. Writes audits.csv of the folder, in the
// form of dev/results/. Exits with 6 on a violation.
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import {
  type AuditReport,
  assertAudit,
  audit,
  type FeatureSet,
  groupScaledHeads,
  headLearners,
  type LearnerFamily,
  needsSpread,
  planCertification,
  prepareLearners,
  prepareSets,
  type Rule,
  selectRows,
  type TestSet,
} from '../../src/certify.ts'
import { writeFileAtomic } from '../../src/format/atomic.ts'
import { exitCodes, VideoMaeError } from '../../src/index.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import type { MotionClass } from '../../src/synthetic/motion.ts'
import { type ResultRow, writeResults } from '../support/results-file.ts'
import { encoderOf, studyOptions } from './support/certify-learners.ts'
import { featureSet, mnistFolder, readMnist } from './support/mnist/images.ts'
import { numberOr } from './support/study.ts'

const { values } = parseArgs({
  options: {
    ...studyOptions,
    data: { type: 'string', default: 'motion' },
    trials: { type: 'string' },
    attacks: { type: 'string', default: '20' },
    clips: { type: 'string' },
    inputs: { type: 'string' },
    only: { type: 'string' },
  },
})
const { quick } = values
const motion = values.data === 'motion'
const out = values.out ?? path.join('checkpoints', `certify-audit-${values.data}${quick ? '-quick' : ''}`)
const threads = Number(values.threads)
const trials = numberOr(values.trials, quick ? 20 : 200)
const attacks = Number(values.attacks)
const clips = numberOr(values.clips, motion ? 1200 : 6000)
const inputs = numberOr(values.inputs, motion ? 200 : 300)
const k = numberOr(values.partitions, motion ? 40 : 100)

async function clipsOf(name: string, count: number, seed: number, classes?: readonly MotionClass[]): Promise<string> {
  const folder = path.join(out, 'data', `${name}-${count}`)
  if (!existsSync(path.join(folder, 'labels.csv')))
    await generateMotionDataset(folder, { clips: count, size: 64, frames: 24, seed, classes })
  return folder
}

const folders = motion
  ? { elsewhere: await clipsOf('elsewhere', 400, 1001), data: await clipsOf('protected', clips, 1002) }
  : null
const videos =
  folders === null
    ? null
    : {
        data: folders.data,
        test: await clipsOf('predicted', inputs, 1003),
        from: (
          await encoderOf(
            values,
            out,
            { steps: quick ? 300 : 3000, width: 96, depth: 4, resolution: 48, frames: 8 },
            {
              data: { path: folders.elsewhere, samplesPerClip: 4 },
              clip: { stride: 2 },
              mask: { kind: 'frame', ratio: 0.5 },
            },
          )
        ).from,
        cache: path.join(out, 'store'),
        engine: values.engine ?? null,
        threads,
      }

/** Features of both sides: of the pretrained encoder, or HOG. */
async function features(): Promise<{ set: FeatureSet; test: TestSet }> {
  if (videos !== null && folders !== null) {
    const scaled = { ...videos, trusted: folders.elsewhere }
    return prepareSets(await planCertification(scaled), scaled)
  }
  const some = (count: number) => Array.from({ length: count }, (_, i) => i)
  const [train, predicted] = (['train', 't10k'] as const).map((part) =>
    featureSet(readMnist(mnistFolder(), part), 'hog', part),
  )
  return { set: selectRows(train, some(clips)), test: selectRows(predicted, some(inputs)) }
}

const { set, test } = await features()
// 20 clips an attacker's video: one poisoned sample may be a long video.
const common = { by: 'content', trials, attacks, threads, onProgress: progress } as const
const ridge = headLearners({ kind: 'ridge' })
const onFeatures = (rule: Rule, learners: LearnerFamily<FeatureSet, TestSet>, groups?: number) => () =>
  audit(set, test, {
    ...{ ...common, rule, learners, groups, partitions: k, attackClips: 20 },
    ...(needsSpread(rule) ? { spread: 2 } : {}),
  })
const cases: { readonly name: string; readonly run: () => Promise<AuditReport> }[] = [
  { name: 'dpa', run: onFeatures('dpa', ridge) },
  { name: 'roe', run: onFeatures('roe', headLearners({ kind: 'softmax', steps: 50 })) },
  { name: 'fa', run: onFeatures('fa', ridge) },
  { name: 'roe_fa', run: onFeatures('roe_fa', ridge) },
  { name: 'groups', run: onFeatures('groups', groupScaledHeads(ridge, 10), 10) },
]
if (videos !== null) {
  const three = ['left', 'right', 'up'] as const
  const own = {
    data: await clipsOf('starred', quick ? 30 : 60, 1004, three),
    test: await clipsOf('starred-predicted', 60, 1005, three),
  }
  const starred = { ...videos, ...own, learner: { kind: 'attentive', epochs: 12, learningRate: 1e-2 } } as const
  for (const rule of ['dpa', 'roe'] as const) {
    cases.push({
      name: `${rule}-star`,
      run: async () =>
        prepareLearners(await planCertification(starred), starred, (prepared) =>
          audit(prepared.set, prepared.test, {
            ...common,
            rule,
            learners: prepared.learners,
            partitions: 5,
            seeds: 2,
            attacks: Math.min(attacks, 10),
          }),
        ),
    })
  }
}

let failures = 0
const results: ResultRow[] = []
const count = (value: number): string => value.toLocaleString('en-US')
const wanted = values.only?.split(',')
mkdirSync(out, { recursive: true })
console.log(
  '| audit | learner | learners | poisonings (poisoned samples) | changed of allowed | predictions checked | violations | attacks beyond | within |',
)
console.log('|---|---|---|---|---|---|---|---|---|')
for (const { name, run } of cases) {
  if (wanted !== undefined && !wanted.includes(name)) continue
  const file = path.join(out, `${name}${name.endsWith('-star') ? '' : `-k${k}`}-t${trials}.json`)
  const began = performance.now()
  const report = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as AuditReport) : await run()
  await writeFileAtomic(file, `${JSON.stringify(report)}\n`)
  const { learner, learners, seeds, poisons, changedLearners, allowedLearners, checkedPredictions, violations } = report
  const { beyond, tried, within, triedWithin } = report.attacks
  console.log(
    `| ${name} | ${learner.kind} | ${learners}${seeds > 1 ? ` x ${seeds}` : ''} | ${report.trials} (${poisons}) | ${changedLearners} of ${allowedLearners} | ${checkedPredictions} | ${violations.length}${report.reproducible ? '' : ', NOT REPRODUCIBLE'} | ${beyond} of ${tried} | ${within} |`,
  )
  results.push({
    'rule, heads': `${name}, ${learner.kind}`,
    'learners changed of allowed': `${count(changedLearners)} of ${count(allowedLearners)}`,
    'certified predictions checked': count(checkedPredictions),
    'attacks that succeed at radius + 1': `${beyond}/${tried}`,
    'at the radius': `${within}/${triedWithin}`,
  })
  console.error(`${name}: ${((performance.now() - began) / 1000).toFixed(0)} s`)
  try {
    assertAudit(report)
  } catch (error) {
    failures++
    console.error(error instanceof VideoMaeError ? error.message : error)
  }
}
if (results.length > 0) writeResults(path.join(out, 'audits.csv'), 'scripts/experiments/certify-audit.ts', results)
process.exit(failures === 0 ? exitCodes.success : exitCodes.checkFailed)

function progress(done: number, total: number): void {
  if (done % 20 === 0) console.error(`${done} of ${total} poisonings`)
}
