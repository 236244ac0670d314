/**
 * Runs a fixed set of jobs with this version and with an earlier one, and compares what comes out, number by number: losses and
 * gradient norms of training, answers of classifiers, predictions and radii of certificates.
 *
 *   npx tsx scripts/same-results.ts --peer CHECKOUT [--only NAME] [--keep FOLDER]
 *
 * Attentive base classifiers differ from versions before 2026-11-28: each has an output for each class of its own samples only.
 *
 * CHECKOUT: another checkout of the repository with its node_modules. Both are built before. Ends with 6 where something
 * differs. A few minutes. The clips of data/motion, engine onnx, one thread.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { exitCodes } from '../src/index.ts'

const { values } = parseArgs({
  options: { peer: { type: 'string' }, only: { type: 'string' }, keep: { type: 'string' } },
})
if (values.peer === undefined) throw new Error('Expected --peer CHECKOUT, another checkout of the repository.')
const root = path.join(import.meta.dirname, '..')
const versions = { current: root, peer: path.resolve(values.peer) }
type Version = keyof typeof versions

const clips = path.join(root, 'data/motion')
const labels = path.join(clips, 'labels.csv')
const sizes = {
  ...{ 'model.width': 64, 'model.depth': 2, 'model.heads': 2, 'model.frames': 8, 'model.resolution': 32 },
  ...{ 'model.decoder.width': 32, 'model.decoder.depth': 1, 'model.decoder.heads': 1 },
}
const short = { 'schedule.duration': '30 steps', 'schedule.warmup': '5 steps', 'log.every': '1 steps' }
const set = (keys: Readonly<Record<string, string | number>>): string[] =>
  Object.entries(keys).flatMap(([key, value]) => ['--set', `${key}=${value}`])
const engine = ['--engine', 'onnx', '--threads', '1']

interface Job {
  readonly name: string
  /** Arguments of the command. `at` gives the folder of an earlier job. */
  readonly run: (at: (job: string) => string) => readonly string[]
  /** Only for this version: what is the default now and was the only way then. */
  readonly current?: readonly string[]
  /** The numbers that have to be the same. */
  readonly read: (folder: string) => readonly unknown[]
}

const jsonLines = (file: string): Record<string, unknown>[] =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

const curve = (folder: string): readonly unknown[] =>
  jsonLines(path.join(folder, 'metrics.jsonl'))
    .filter(({ loss }) => loss !== undefined)
    .map(({ step, loss, gradientNorm, learningRate }) => [step, loss, gradientNorm, learningRate])

/** Class, prediction and radius of each input, whatever else a version writes about it. */
function certified(folder: string): readonly unknown[] {
  const { runs, classNames } = JSON.parse(readFileSync(path.join(folder, 'certificate.json'), 'utf8'))
  return runs.flatMap(({ rule, partitions, inputs }: Record<string, readonly Record<string, unknown>[]>) =>
    inputs.map(({ id, label, prediction, radius }) => [
      ...[rule, partitions, id, classNames[label as number], classNames[prediction as number], radius],
    ]),
  )
}

const tested = (folder: string): readonly unknown[] =>
  jsonLines(path.join(folder, 'evaluation/predictions.jsonl')).map(({ id, predicted, probabilities }) => [
    ...[id, predicted, probabilities],
  ])

const pretrain = (name: string, keys: Readonly<Record<string, string | number>>): Job => ({
  name,
  run: (at) => [
    ...[
      'pretrain',
      clips,
      '--recipe',
      'laptop-pretrain',
      ...engine,
      '--workers',
      '1',
      '--seed',
      '3',
      '--out',
      at(name),
    ],
    ...set({ ...sizes, ...short, 'batch.size': 16, 'batch.perRun': 16, ...keys }),
  ],
  read: curve,
})
const head = (mode: 'ridge' | 'linear' | 'attentive'): Job => ({
  name: mode,
  run: (at) => ['finetune', labels, '--from', at('tubes'), '--mode', mode, ...engine, '--seed', '3', '--out', at(mode)],
  ...(mode === 'attentive' ? {} : { current: ['--set', 'probe.readout=mean'] }),
  read: tested,
})
const certify = (name: string, args: readonly string[], readout = true): Job => ({
  name,
  run: (at) => [
    ...['certify', labels, '--from', `untrained:${at('tubes')}`, '--partitions', '6', ...engine, '--seed', '3'],
    // Declared: classes that a poisoned list could add count as rivals otherwise, which an earlier version did not ask.
    ...[
      '--classes',
      readdirSync(clips)
        .filter((entry) => !entry.includes('.'))
        .join(','),
      '--out',
      at(name),
      ...args,
    ],
  ],
  ...(readout ? { current: ['--readout', 'mean'] } : {}),
  read: certified,
})

const jobs: readonly Job[] = [
  pretrain('tubes', {}),
  pretrain('random masks of 0.9, pixels', { 'mask.kind': 'random', 'mask.ratio': 0.9, 'model.target': 'raw' }),
  pretrain('frame masks, accumulation', { 'mask.kind': 'frame', 'mask.ratio': 0.5, 'batch.perRun': 8 }),
  {
    name: 'full',
    run: (at) => [
      ...['finetune', labels, '--from', at('tubes'), '--mode', 'full', ...engine, '--seed', '3', '--out', at('full')],
      ...set({ ...short, 'batch.size': 8 }),
    ],
    read: (folder) => [...curve(folder), ...tested(folder)],
  },
  ...(['ridge', 'linear', 'attentive'] as const).map(head),
  certify('heads', ['--rule', 'dpa,fa,roe,roe_fa,fa_exact', '--spread', '2']),
  certify('nearest mean', ['--rule', 'dpa,roe', '--learner', 'nearest_mean']),
  certify('label flips', ['--rule', 'dpa', '--threat', 'label_flip', '--white-box']),
  certify('attentive learners', ['--rule', 'dpa', '--learner', 'attentive', '--epochs', '3'], false),
]

const folder =
  values.keep === undefined ? mkdtempSync(path.join(os.tmpdir(), 'videomae-same-')) : path.resolve(values.keep)

function results(version: Version, job: Job): readonly unknown[] {
  const at = (name: string): string => path.join(folder, version, name.replaceAll(/\W+/g, '-'))
  const args = [...job.run(at), ...(version === 'current' ? (job.current ?? []) : []), '--quiet']
  const main = path.join(versions[version], 'dist/cli/main.js')
  const { status, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })
  if (status !== 0)
    throw new Error(`${version}: videomae ${args.join(' ')}\nended with ${status}: ${stderr.slice(-2000)}`)
  return job.read(at(job.name))
}

let same = true
try {
  for (const checkout of Object.values(versions))
    if (!readdirSync(checkout).includes('dist')) throw new Error(`Expected ${checkout} to be built: npm run build.`)
  for (const job of jobs.filter(({ name }) => values.only === undefined || name === values.only || name === 'tubes')) {
    const [current, peer] = [results('current', job), results('peer', job)].map((rows) =>
      rows.map((row) => JSON.stringify(row)),
    )
    const different = current.filter((row, i) => row !== peer[i])
    const whole = different.length === 0 && current.length === peer.length && current.length > 0
    console.log(
      `${job.name}: ${whole ? 'the same' : `${different.length} of ${current.length} differ`} (${current.length} rows)`,
    )
    for (const row of different.slice(0, 3)) console.log(`  current ${row}\n  peer    ${peer[current.indexOf(row)]}`)
    same &&= whole
  }
} finally {
  if (values.keep === undefined) rmSync(folder, { recursive: true, force: true })
}
process.exitCode = same ? 0 : exitCodes.checkFailed
