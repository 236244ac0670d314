// Attacks on lists and folders of generated videos, through everything that `certify` does: videos inserted (of new classes, under
// second names, unreadable, playlists), deleted, edited, relabeled, moved to another part of the split or another source, up to the
// certified radius, for every rule, threat and unit. Ends with 6 where a certified prediction changed,
// with 7 where a case had none to check.
//   npx tsx scripts/experiments/certify-lists.ts [--trials 40] [--only NAME] [--out FOLDER]
// Writes lists.csv of the folder, in the form of dev/results/.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import {
  auditLists,
  type CertifyVideosOptions,
  type ListAuditReport,
  needsSpread,
  type Rule,
  type Threat,
} from '../../src/certify.ts'
import { exitCodes } from '../../src/index.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { listVideos } from '../../src/video.ts'
import { writeResults } from '../support/results-file.ts'

const { values } = parseArgs({
  options: {
    trials: { type: 'string', default: '40' },
    only: { type: 'string' },
    out: { type: 'string', default: path.join('checkpoints', 'certify-lists') },
  },
})
const out = path.resolve(values.out)
const trials = Number(values.trials)
const videos = path.join(out, 'videos')
if (!existsSync(path.join(videos, 'labels.csv')))
  await generateMotionDataset(videos, {
    clips: 72,
    size: 32,
    frames: 8,
    seed: 7,
    classes: ['left', 'right', 'clockwise'],
  })

const entries = listVideos(videos, { labelFromFolder: true })
mkdirSync(out, { recursive: true })
function list(name: string, header: string, rowOf: (i: number) => readonly string[]): string {
  const rows = entries.map(({ path: file, label }, i) => [file, label, ...rowOf(i)].join(','))
  writeFileSync(path.join(out, name), `${header}\n${rows.join('\n')}\n`)
  return path.join(out, name)
}
const side = (i: number) => (i % 4 === 3 ? 'test' : 'train')
const data = {
  folder: videos,
  plain: list('plain.csv', 'path,label', () => []),
  split: list('split.csv', 'path,label,split', (i) => [side(i)]),
  grouped: list('grouped.csv', 'path,label,split,group', (i) => [side(i), `camera ${i % 18}`]),
  timed: list('timed.csv', 'path,label,split,time', (i) => [side(i), String(Math.floor((i * 7) % 60))]),
}

interface Case {
  readonly name: string
  readonly data: string
  readonly rules: readonly Rule[]
  readonly threat: Threat
  readonly options?: Partial<CertifyVideosOptions>
  readonly partitions?: number
  readonly groups?: number
}
const hashed: readonly Rule[] = ['dpa', 'roe', 'fa', 'fa_exact', 'roe_fa']
const periods = { until: '60', length: '5' }
const cases: readonly Case[] = [
  { name: 'folder, content', data: data.folder, rules: hashed, threat: 'general' },
  { name: 'plain list, content', data: data.plain, rules: hashed, threat: 'general' },
  { name: 'split list, content', data: data.split, rules: hashed, threat: 'general' },
  {
    name: 'split list, content, declared classes',
    data: data.split,
    rules: hashed,
    threat: 'general',
    options: { classes: ['left', 'right', 'clockwise', 'down'] },
  },
  { name: 'split list, id', data: data.split, rules: hashed, threat: 'general', options: { by: 'id' } },
  { name: 'grouped list, source', data: data.grouped, rules: hashed, threat: 'source', options: { by: 'source' } },
  { name: 'split list, content, labels', data: data.split, rules: hashed, threat: 'label_flip' },
  { name: 'split list, id, labels', data: data.split, rules: hashed, threat: 'label_flip', options: { by: 'id' } },
  { name: 'folder, content, labels', data: data.folder, rules: hashed, threat: 'label_flip' },
  { name: 'split list, groups', data: data.split, rules: ['groups'], threat: 'general', groups: 9, partitions: 9 },
  {
    name: 'split list, groups, labels',
    data: data.split,
    rules: ['groups'],
    threat: 'label_flip',
    groups: 9,
    partitions: 9,
  },
  {
    name: 'timed list, temporal',
    data: data.timed,
    rules: ['temporal'],
    threat: 'temporal',
    options: { by: 'time', periods },
  },
  {
    name: 'timed list, temporal, coverage 2',
    data: data.timed,
    rules: ['temporal'],
    threat: 'temporal',
    options: { by: 'time', periods: { ...periods, coverage: 2 } },
    partitions: 11,
  },
  {
    name: 'split list, nearest mean',
    data: data.split,
    rules: hashed,
    threat: 'general',
    options: { learner: { kind: 'nearest_mean' } },
  },
  {
    name: 'split list, linear',
    data: data.split,
    rules: hashed,
    threat: 'general',
    options: { learner: { kind: 'linear' } },
  },
]

let violations = 0
const reports: (ListAuditReport & { readonly name: string })[] = []
for (const { name, data: source, rules, threat, options = {}, partitions = 12, groups } of cases) {
  if (values.only !== undefined && !name.includes(values.only)) continue
  const report = await auditLists({
    videos: {
      data: source,
      from: 'pixels',
      cache: path.join(out, 'store'),
      workers: 1,
      threads: 1,
      seed: 1,
      ...options,
    },
    ...{ rules, threat, partitions, groups, trials, seed: 1, threads: 1 },
    ...(rules.some(needsSpread) ? { spread: 2 } : {}),
    folder: path.join(out, 'attacked'),
  })
  violations += report.violations.length
  reports.push({ name, ...report })
  const refused = Object.entries(report.refused).map(([code, count]) => `${count} ${code}`)
  console.log(
    `${name}: ${report.trials} attacks of ${report.units} units, ${report.checkedPredictions} predictions checked, ${report.violations.length} changed${refused.length > 0 ? `; no answer: ${refused.join(', ')}` : ''}`,
  )
  for (const { what, acts } of report.violations.slice(0, 3)) console.log(`  ${what} (${acts.join(', ')})`)
}
writeFileSync(path.join(out, 'lists.json'), `${JSON.stringify(reports)}\n`)
if (reports.length > 0)
  writeResults(
    path.join(out, 'lists.csv'),
    'scripts/experiments/certify-lists.ts',
    reports.map(({ name, trials: attacks, units, checkedPredictions, violations: changed, refused }) => ({
      ...{ case: name, attacks, units, 'certified predictions checked': checkedPredictions, changed: changed.length },
      'no answer': Object.values(refused).reduce((sum, times) => sum + times, 0),
    })),
  )
const checked = reports.reduce((sum, report) => sum + report.checkedPredictions, 0)
console.log(`${checked} certified predictions checked, ${violations} changed`)
// A case without a certified prediction has shown nothing.
const empty = reports.length === 0 || reports.some(({ checkedPredictions }) => checkedPredictions === 0)
process.exitCode = violations > 0 ? exitCodes.checkFailed : empty ? exitCodes.nothingChecked : 0
