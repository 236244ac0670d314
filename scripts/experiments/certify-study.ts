// What the certification experiments on videos share: options, base learners, sweeps over K that are computed once and
// pooled over folds, tables at equal accuracy, curves.
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { ParseArgsConfig } from 'node:util'
import { votesOfInput } from '../../src/certify/ballot.ts'
import { type CertificateRun, certifiedAccuracyCurve, runName } from '../../src/certify/certificate-file.ts'
import { certify, scoredRadii } from '../../src/certify/certify.ts'
import type { Rule } from '../../src/certify/certify-ballots.ts'
import { renderChart } from '../../src/certify/chart.ts'
import type { BucketKey } from '../../src/certify/data/buckets.ts'
import { sha256 } from '../../src/certify/data/hash.ts'
import { doseLearner } from '../../src/certify/dose-learner.ts'
import { headLearners } from '../../src/certify/heads/family.ts'
import { summariseRadii } from '../../src/certify/metrics.ts'
import {
  type CertifyVideosOptions,
  type LearnerOptions,
  planCertification,
  prepareLearners,
  prepareSets,
} from '../../src/certify-videos/index.ts'
import { writeFileAtomic } from '../../src/format/atomic.ts'
import type { RunInput } from '../../src/train/configuration.ts'
import { numberOr, pretrainOnce, type SmallModel, smallPretraining } from './study.ts'

/** Options that every experiment has. Lists of K: of heads on pooled features, and of the learners that cost more. */
export const studyOptions = {
  quick: { type: 'boolean', default: false },
  out: { type: 'string' },
  encoder: { type: 'string' },
  steps: { type: 'string' },
  width: { type: 'string' },
  depth: { type: 'string' },
  resolution: { type: 'string' },
  frames: { type: 'string' },
  partitions: { type: 'string' },
  attentive: { type: 'string' },
  full: { type: 'string' },
  scratch: { type: 'string' },
  epochs: { type: 'string' },
  spread: { type: 'string' },
  engine: { type: 'string' },
  threads: { type: 'string', default: '2' },
} as const satisfies ParseArgsConfig['options']

/** The values of `studyOptions`, as `parseArgs` gives them. */
export type StudyValues = { readonly quick: boolean; readonly threads: string } & {
  readonly [name in Exclude<keyof typeof studyOptions, 'quick' | 'threads'>]?: string
}

/** K of a list such as `5,10`; `none` is the empty list. */
export const listOr = (value: string | undefined, usual: string): number[] =>
  (value ?? usual) === 'none' ? [] : (value ?? usual).split(',').map(Number)

/** The encoder that is named, or one that is pretrained here. @returns its folder, and what is known of its training */
export async function encoderOf(
  values: StudyValues,
  out: string,
  usual: SmallModel & { readonly steps: number },
  input: Pick<RunInput, 'data' | 'clip' | 'mask'>,
): Promise<{ readonly from: string; readonly story: string }> {
  if (values.encoder !== undefined) return { from: values.encoder, story: `encoder ${values.encoder}` }
  const steps = numberOr(values.steps, usual.steps)
  const model = {
    width: numberOr(values.width, usual.width),
    depth: numberOr(values.depth, usual.depth),
    frames: numberOr(values.frames, usual.frames),
    resolution: numberOr(values.resolution, usual.resolution),
  }
  const batch = 32
  const engine = { name: values.engine ?? null, threads: Number(values.threads) }
  const { run, curve } = await pretrainOnce(path.join(out, 'pretrain'), {
    ...input,
    ...smallPretraining(model, { steps, batch, parts: 20, engine }),
  })
  return { from: run, story: `encoder ${JSON.stringify(model)}, pretrained for ${steps} x ${batch} clips: ${curve}` }
}

/** A base learner of a study. */
export interface StudyLearner {
  readonly name: string
  /** As `--from` takes it. */
  readonly from: string
  readonly learner: LearnerOptions
  readonly partitions: readonly number[]
}

/** Learners on one encoder, from those that know nothing to those that know most; the costly ones at a few K. */
export function learnersOf(
  from: string,
  ks: Readonly<Record<'heads' | 'attentive' | 'full' | 'scratch', readonly number[]>>,
  options: { readonly epochs?: number; readonly lambdas: ReadonlyMap<string, number> },
): StudyLearner[] {
  const { epochs, lambdas } = options
  const ridge = (name: string, place: string): StudyLearner => ({
    name,
    from: place,
    learner: { kind: 'ridge', lambda: lambdas.get(place) },
    partitions: ks.heads,
  })
  const learners: StudyLearner[] = [
    { name: 'from scratch', from, learner: { kind: 'scratch', epochs }, partitions: ks.scratch },
    ridge('pixels, ridge', 'pixels'),
    ridge('random features, ridge', `untrained:${from}`),
    ridge('pretrained, ridge', from),
    { name: 'pretrained, linear', from, learner: { kind: 'linear' }, partitions: ks.heads },
    { name: 'pretrained, attentive', from, learner: { kind: 'attentive' }, partitions: ks.attentive },
    { name: 'pretrained, all weights', from, learner: { kind: 'full', epochs }, partitions: ks.full },
  ]
  return learners.filter(({ partitions }) => partitions.length > 0)
}

/**
 * Chooses lambda on trusted videos with labels, never on the protected set: the mean accuracy of 20 ridge heads of `size`
 * random videos each, on the trusted videos that are left out.
 */
export async function chooseLambda(options: CertifyVideosOptions, size: number): Promise<number> {
  const { set, test } = await prepareSets(await planCertification(options), options)
  const drawn = Math.min(size, new Set(set.ids).size)
  let best = { lambda: 0.1, accuracy: -1 }
  for (const lambda of [0.003, 0.03, 0.3, 3, 30]) {
    const learner = doseLearner(set, test, { name: '', learners: headLearners({ kind: 'ridge', lambda }), threads: 1 })
    const ballots = await learner.voteOfSubsets(drawn, 20, 0)
    let right = 0
    for (let t = 0; t < test.rows; t++)
      for (const vote of votesOfInput(ballots, t)) if (vote === test.labels[t]) right++
    const accuracy = right / (20 * test.rows)
    if (accuracy > best.accuracy) best = { lambda, accuracy }
  }
  return best.lambda
}

/** What is certified: one division of the videos, or several folds that are pooled. */
export interface StudyCase {
  readonly name: string
  readonly by: BucketKey
  readonly folds: readonly Pick<CertifyVideosOptions, 'data' | 'test'>[]
  /** @param heads whether the learner is a head, which is trained in no time */
  readonly rules: (k: number, heads: boolean) => readonly Rule[]
  readonly spread: number
  /** Everything about the videos that is the same for all learners. `trusted` is for heads only. */
  readonly videos: Omit<CertifyVideosOptions, 'data' | 'test' | 'from' | 'learner' | 'by'>
}

export type Row = Omit<CertificateRun, 'inputs'> & {
  readonly learner: string
  readonly trust: string
  /** Right prediction's radius of each input, -1 for a wrong one: to pool folds. */
  readonly radii: readonly number[]
}

/** All learners at all their K; each cell is computed once and kept in `out/runs`. */
export async function sweep(out: string, learners: readonly StudyLearner[], study: StudyCase): Promise<Row[]> {
  const rows: Row[] = []
  for (const learner of learners) {
    for (const k of learner.partitions) {
      const began = performance.now()
      const parts: (readonly Row[])[] = []
      for (const fold of study.folds.keys()) parts.push(await certifyOnce(out, learner, study, fold, k))
      const done = parts[0].map((_, rule) => pooled(parts.map((part) => part[rule])))
      rows.push(...done)
      const seconds = ((performance.now() - began) / 1000).toFixed(0)
      console.error(`${study.name} (${seconds} s)\n${tableOf(done).split('\n').slice(2, -1).join('\n')}`)
    }
  }
  return rows
}

async function certifyOnce(
  out: string,
  { name, from, learner }: StudyLearner,
  { by, folds, rules: rulesOf, spread, videos: common, name: caseName }: StudyCase,
  fold: number,
  k: number,
): Promise<readonly Row[]> {
  const heads = learner.kind === 'ridge' || learner.kind === 'linear'
  const rules = rulesOf(k, heads)
  const { trusted, ...unscaled } = common
  const videos: CertifyVideosOptions = { ...(heads ? common : unscaled), ...folds[fold], from, learner, by }
  mkdirSync(path.join(out, 'runs'), { recursive: true })
  const key = sha256(JSON.stringify([caseName, name, from, learner, folds[fold], k, rules, spread, by])).slice(0, 12)
  const file = path.join(out, 'runs', `${name.replaceAll(/\W+/g, '-')}-k${k}-${by}-fold${fold}-${key}.json`)
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Row[]
  const plan = await planCertification(videos)
  const rows = await prepareLearners(plan, videos, async ({ learners, set, test, encoder }) => {
    const { certificate } = await certify(set, test, {
      learners,
      threat: { threat: by === 'source' ? 'source' : 'general', encoder },
      by,
      partitions: k,
      rules,
      spread,
      threads: heads ? 1 : videos.threads,
      // Learners that take long are kept, so that a stop costs one of them.
      ...(heads ? {} : { directory: path.join(out, 'learners', key) }),
    })
    return certificate.runs.map(
      ({ inputs, ...run }): Row => ({
        ...run,
        learner: name,
        trust: certificate.threat.encoder.trust,
        radii: Array.from(scoredRadii(inputs ?? [], test.labels)),
      }),
    )
  })
  await writeFileAtomic(file, `${JSON.stringify(rows)}\n`)
  return rows
}

/** The folds of one run as one: every clip is predicted once, by learners that saw none of its fold. */
function pooled(parts: readonly Row[]): Row {
  const radii = parts.flatMap((part) => part.radii)
  const share = (part: Row) => part.summary.inputs / radii.length
  const baseAccuracy = parts.reduce((sum, part) => sum + part.baseAccuracy * share(part), 0)
  const abstentions = parts.reduce((sum, part) => sum + part.abstentions, 0)
  return { ...parts[0], baseAccuracy, abstentions, radii, summary: summariseRadii(radii) }
}

const percent = (share: number) => (100 * share).toFixed(1)

export function tableOf(rows: readonly Row[]): string {
  return [
    '| learner | rule | K | single | ensemble | median radius | mean radius |',
    '|---|---|---|---|---|---|---|',
    ...rows.map(
      (row) =>
        `| ${row.learner} | ${runName(row).replace(/ K=\d+/, '')} | ${row.partitions} | ${percent(row.baseAccuracy)} | ${percent(row.summary.cleanAccuracy)} | ${row.summary.medianRadius ?? 'none'} | ${row.summary.averageCertifiedRadius.toFixed(2)} |`,
    ),
    '',
  ].join('\n')
}

/** Of each learner the run with the largest mean radius among those whose ensemble reaches the target. */
function matched(rows: readonly Row[], target: number): { readonly name: string; readonly row: Row | undefined }[] {
  return [...new Set(rows.map((row) => row.learner))].map((name) => {
    const reached = rows.filter((row) => row.learner === name && row.summary.cleanAccuracy >= target - 5e-4)
    const [row] = reached.sort((a, b) => b.summary.averageCertifiedRadius - a.summary.averageCertifiedRadius)
    return { name, row }
  })
}

/** Accuracies at which learners are compared: shares of what each of them reaches at best. */
function targetsOf(rows: readonly Row[]): number[] {
  const best = new Map<string, number>()
  for (const { learner, summary } of rows) best.set(learner, Math.max(best.get(learner) ?? 0, summary.cleanAccuracy))
  const targets = [...best.values()].map((accuracy) => Number((0.97 * accuracy).toFixed(3)))
  return [...new Set(targets)].sort((a, b) => a - b)
}

/** Learners at equal accuracy. */
export function matchedTable(rows: readonly Row[]): string {
  const lines = targetsOf(rows).flatMap((target) =>
    matched(rows, target).map(({ name, row }) =>
      row === undefined
        ? `| ${percent(target)} | ${name} | never | | | |`
        : `| ${percent(target)} | ${name} | ${runName(row)} | ${percent(row.summary.cleanAccuracy)} | ${row.summary.medianRadius ?? 'none'} | ${row.summary.averageCertifiedRadius.toFixed(2)} |`,
    ),
  )
  return [
    '| ensemble at least | learner | run | ensemble | median radius | mean radius |',
    '|---|---|---|---|---|---|',
    ...lines,
    '',
  ].join('\n')
}

/**
 * Writes `table-NAME.md`, and two plots: all learners at the K that most of them share (`at-k-NAME.svg`), and each at its best
 * K among those that reach the accuracy of the weakest (`matched-NAME.svg`).
 *
 * @returns the tables
 */
export async function writeStudy(
  out: string,
  name: string,
  about: { readonly title: string; readonly unit: string },
  rows: readonly Row[],
): Promise<string> {
  const text = `${tableOf(rows)}\n${matchedTable(rows)}`
  await writeFileAtomic(path.join(out, `table-${name}.md`), text)
  const sharing = (k: number) => new Set(rows.filter((row) => row.partitions === k).map((row) => row.learner)).size
  const ks = [...new Set(rows.map((row) => row.partitions))].sort((a, b) => a - b)
  const common = ks.reduce((best, k) => (sharing(k) >= sharing(best) ? k : best), ks[0])
  const [target] = targetsOf(rows)
  const equal = matched(rows, target).flatMap(({ row }) => (row === undefined ? [] : [row]))
  const draw = (file: string, title: string, shown: readonly Row[]) => writeChart(file, title, about.unit, rows, shown)
  await draw(
    path.join(out, `at-k-${name}.svg`),
    `${about.title}, K = ${common}`,
    rows.filter((row) => row.partitions === common),
  )
  await draw(path.join(out, `matched-${name}.svg`), `${about.title}, ensembles of at least ${percent(target)} %`, equal)
  return text
}

async function writeChart(
  file: string,
  title: string,
  unit: string,
  all: readonly Row[],
  shown: readonly Row[],
): Promise<void> {
  const names = [...new Set(all.map((row) => row.learner))]
  const curves = shown.map((row) => ({
    ...certifiedAccuracyCurve(`${row.learner}, ${runName(row)}`, row.summary),
    colour: names.indexOf(row.learner),
    dashed: row.rule !== 'dpa',
  }))
  const axes = { xLabel: `poisons (${unit})`, yLabel: 'certified accuracy', yRange: [0, 1] as const, width: 860 }
  await writeFileAtomic(file, renderChart({ title, ...axes, curves }))
}
