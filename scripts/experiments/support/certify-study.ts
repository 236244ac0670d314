// What the certification experiments on videos share: sweeps over K that are computed once and pooled over folds, tables at
// equal accuracy, curves.
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { scoredRadii } from '../../../src/certify/certify.ts'
import { sha256 } from '../../../src/certify/ensemble/hash.ts'
import { runName } from '../../../src/certify/files/certificate-file.ts'
import { ruleNamed } from '../../../src/certify/rules/list.ts'
import {
  type BucketKey,
  type CertificateRun,
  type CertifyVideosOptions,
  certifiedAccuracyCurve,
  certify,
  isHeadKind,
  needsSpread,
  planCertification,
  prepareLearners,
  type Rule,
  summarizeRadii,
  type Threat,
} from '../../../src/certify.ts'
import { writeFileAtomic } from '../../../src/format/atomic.ts'
import { writeFigure } from '../../support/figures.ts'
import { percent } from '../../support/percent.ts'
import type { ResultRow } from '../../support/results-file.ts'
import type { StudyLearner } from './certify-learners.ts'

/** What is certified: one division of the videos, or several folds that are pooled. */
export interface StudyCase {
  readonly name: string
  readonly by: BucketKey
  readonly folds: readonly Pick<CertifyVideosOptions, 'data' | 'test'>[]
  /** Rules for heads, which are trained in no time. */
  readonly rules: (k: number) => readonly Rule[]
  /** d of Finite Aggregation for heads. */
  readonly spread: number
  /** The same for the others, which have DPA and Run-Off Election in any case; null: not Finite Aggregation. */
  readonly trainedSpread: number | null
  /** What the attacker may do. Default `general`, by source `source`. */
  readonly threat?: Threat
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
      for (const fold of study.folds.keys()) parts.push(await certifyFold(out, learner, study, fold, k))
      const done = parts[0].map((_, rule) => pooled(parts.map((part) => part[rule])))
      rows.push(...done)
      const seconds = ((performance.now() - began) / 1000).toFixed(0)
      console.error(`${study.name} (${seconds} s)\n${tableOf(done).split('\n').slice(2, -1).join('\n')}`)
    }
  }
  return rows
}

/** All rules on one fold. Learners that an engine trains have a cell for each ensemble, and one folder for both. */
async function certifyFold(
  out: string,
  learner: StudyLearner,
  study: StudyCase,
  fold: number,
  k: number,
): Promise<readonly Row[]> {
  const { name, from, learner: options, readout } = learner
  const { spread, by } = study
  const cellOf = (rules: readonly Rule[], d: number): Cell => {
    const about: unknown[] = [study.name, name, from, options, study.folds[fold], k, rules, d, by]
    // Cells of earlier runs know neither.
    if (readout !== undefined || study.threat !== undefined) about.push({ readout, threat: study.threat })
    return { rules, spread: d, key: sha256(JSON.stringify(about)).slice(0, 12) }
  }
  if (isHeadKind(options.kind))
    return certifyOnce(out, learner, study, { fold, k, cell: cellOf(study.rules(k), spread), learners: null })
  const disjoint = cellOf(['dpa', 'roe'], spread)
  const finite = study.trainedSpread === null ? [] : [cellOf(['fa', 'roe_fa'], study.trainedSpread)]
  const rows: Row[] = []
  for (const cell of [disjoint, ...finite])
    rows.push(...(await certifyOnce(out, learner, study, { fold, k, cell, learners: disjoint.key })))
  return rows
}

/** What is certified together. */
interface Cell {
  readonly rules: readonly Rule[]
  readonly spread: number
  readonly key: string
}

async function certifyOnce(
  out: string,
  { name, from, learner, readout }: StudyLearner,
  { by, folds, videos: common, threat = by === 'source' ? 'source' : 'general' }: StudyCase,
  where: {
    readonly fold: number
    readonly k: number
    readonly cell: Cell
    /** Name of the folder of learners that take long, so that a stop costs one of them; null for heads. */
    readonly learners: string | null
  },
): Promise<readonly Row[]> {
  const { fold, k, cell, learners: kept } = where
  const { rules, spread, key } = cell
  const { trusted, ...unscaled } = common
  const videos: CertifyVideosOptions = {
    ...(kept === null ? common : unscaled),
    ...folds[fold],
    from,
    learner,
    by,
    readout,
  }
  mkdirSync(path.join(out, 'runs'), { recursive: true })
  const file = path.join(out, 'runs', `${name.replaceAll(/\W+/g, '-')}-k${k}-${by}-fold${fold}-${key}.json`)
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Row[]
  const plan = await planCertification(videos)
  const rows = await prepareLearners(plan, videos, async ({ learners, set, test, encoder }) => {
    const { certificate } = await certify(set, test, {
      learners,
      threat: { threat, encoder },
      by,
      partitions: k,
      rules,
      ...(rules.some(needsSpread) ? { spread } : {}),
      threads: kept === null ? 1 : videos.threads,
      ...(kept === null ? {} : { directory: path.join(out, 'learners', kept) }),
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
  return { ...parts[0], baseAccuracy, abstentions, radii, summary: summarizeRadii(radii) }
}

/** A run without its K. */
const ruleText = (row: Row): string => runName(row).replace(/ K=\d+/, '')

/** The rows of a study for `writeResults`, one for each learner, rule and K. */
export const studyResults = (rows: readonly Row[], clips: number): ResultRow[] =>
  rows.map((row) => ({
    ...{
      learner: row.learner,
      rule: ruleText(row),
      K: row.partitions,
      'clips each': Math.round(clips / row.partitions),
    },
    ...{ single: percent(row.baseAccuracy), ensemble: percent(row.summary.cleanAccuracy) },
    'median radius': row.summary.medianRadius ?? 'none',
    'mean radius': row.summary.averageCertifiedRadius.toFixed(2),
  }))

/** Accuracy of the ensemble and its mean radius, `59.7/0.62`: one row for each learner and rule, one column for each K. */
export function radiiByPartitions(rows: readonly Row[], partitions: readonly number[]): ResultRow[] {
  const lines = new Map(rows.map((row) => [`${row.learner} ${ruleText(row)}`, row]))
  return [...lines.values()].map(({ learner, ...one }) => {
    const rule = ruleText({ learner, ...one })
    const cells = partitions.map((k) => {
      const row = rows.find((each) => each.partitions === k && each.learner === learner && ruleText(each) === rule)
      const { cleanAccuracy = 0, averageCertifiedRadius = 0 } = row?.summary ?? {}
      return [`K=${k}`, row === undefined ? '' : `${percent(cleanAccuracy)}/${averageCertifiedRadius.toFixed(2)}`]
    })
    return { learner, rule, ...Object.fromEntries(cells) }
  })
}

export function tableOf(rows: readonly Row[]): string {
  return [
    '| learner | rule | K | single | ensemble | median radius | mean radius |',
    '|---|---|---|---|---|---|---|',
    ...rows.map(
      (row) =>
        `| ${row.learner} | ${ruleText(row)} | ${row.partitions} | ${percent(row.baseAccuracy)} | ${percent(row.summary.cleanAccuracy)} | ${row.summary.medianRadius ?? 'none'} | ${row.summary.averageCertifiedRadius.toFixed(2)} |`,
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
  draw(
    path.join(out, `at-k-${name}.svg`),
    `${about.title}, K = ${common}`,
    rows.filter((row) => row.partitions === common),
  )
  draw(path.join(out, `matched-${name}.svg`), `${about.title}, ensembles of at least ${percent(target)} %`, equal)
  return text
}

function writeChart(file: string, title: string, unit: string, all: readonly Row[], shown: readonly Row[]): void {
  const names = [...new Set(all.map((row) => row.learner))]
  const curves = shown.map((row) => ({
    ...certifiedAccuracyCurve(`${row.learner}, ${runName(row)}`, row.summary),
    color: names.indexOf(row.learner),
    stroke: ruleNamed(row.rule).stroke,
  }))
  const axes = {
    xLabel: `poisoned samples (${unit})`,
    yLabel: 'certified accuracy',
    yRange: [0, 1] as const,
    width: 860,
  }
  writeFigure(file, { title, ...axes, curves })
}
