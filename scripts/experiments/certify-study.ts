// What the certification experiments on videos share: learners over one data set, sweeps over K that are computed once, and
// tables.
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { votesOfInput } from '../../src/certify/ballot.ts'
import { type CertificateRun, certifiedAccuracyCurve, runName } from '../../src/certify/certificate-file.ts'
import { certify } from '../../src/certify/certify.ts'
import type { Rule } from '../../src/certify/certify-ballots.ts'
import { renderChart } from '../../src/certify/chart.ts'
import type { BucketKey } from '../../src/certify/data/buckets.ts'
import { sha256 } from '../../src/certify/data/hash.ts'
import { featureDoseLearner } from '../../src/certify/dose-learner.ts'
import { type CertifyVideosOptions, planCertification, prepareSets } from '../../src/certify-videos/index.ts'
import { writeFileAtomic } from '../../src/format/atomic.ts'

/** A base learner: a ridge head on one kind of features. */
export interface Learner {
  readonly name: string
  /** As `--from` takes it. */
  readonly from: string
}

export type Row = Omit<CertificateRun, 'inputs'> & {
  readonly learner: string
  readonly lambda: number
  readonly trust: string
  /** Right prediction's radius of each input, -1 for a wrong one: to pool folds. */
  readonly radii: readonly number[]
}

/**
 * Chooses lambda on trusted videos with labels, never on the protected set: the mean accuracy of 20 learners of `size` random
 * videos each, on the trusted videos that are left out.
 */
export async function chooseLambda(options: CertifyVideosOptions, size: number): Promise<number> {
  const plan = await planCertification(options)
  const { set, test } = await prepareSets(plan, options)
  const drawn = Math.min(size, new Set(set.ids).size)
  let best = { lambda: 0.1, accuracy: -1 }
  for (const lambda of [0.003, 0.03, 0.3, 3]) {
    const learner = featureDoseLearner(set, test, { name: '', head: { kind: 'ridge', lambda }, threads: 1 })
    const ballots = await learner.voteOfSubsets(drawn, 20, 0)
    let right = 0
    for (let t = 0; t < test.rows; t++)
      for (const vote of votesOfInput(ballots, t)) if (vote === test.labels[t]) right++
    const accuracy = right / (20 * test.rows)
    if (accuracy > best.accuracy) best = { lambda, accuracy }
  }
  return best.lambda
}

/** Certifies one learner at one K by some rules, or reads what an earlier run has found. */
export async function certifyOnce(
  out: string,
  learner: Learner,
  videos: CertifyVideosOptions,
  what: { k: number; rules: readonly Rule[]; spread: number; by: BucketKey; lambda: number; name?: string },
): Promise<readonly Row[]> {
  const { k, rules, spread, by, lambda } = what
  mkdirSync(path.join(out, 'runs'), { recursive: true })
  const key = sha256(JSON.stringify([learner, videos.data, videos.test, what])).slice(0, 12)
  const file = path.join(out, 'runs', `${(what.name ?? learner.name).replaceAll(/\W+/g, '-')}-k${k}-${by}-${key}.json`)
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Row[]
  const { set, test, encoder } = await prepareSets(await planCertification(videos), videos)
  const { certificate } = await certify(set, test, {
    threat: { threat: by === 'source' ? 'source' : 'general', encoder },
    by,
    partitions: k,
    rules,
    spread,
    head: { kind: 'ridge', lambda },
    threads: 1,
  })
  const rows = certificate.runs.map(
    ({ inputs, ...run }): Row => ({
      ...run,
      learner: learner.name,
      lambda,
      trust: certificate.threat.encoder.trust,
      radii: inputs!.map(({ prediction, label, radius }) => (prediction === label ? radius : -1)),
    }),
  )
  await writeFileAtomic(file, `${JSON.stringify(rows)}\n`)
  return rows
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

/**
 * Learners at equal accuracy: for each, the run with the largest mean radius among those whose ensemble reaches the
 * target. The targets are shares of what the weakest learner reaches at best.
 */
export function matchedTable(rows: readonly Row[]): string {
  const names = [...new Set(rows.map((row) => row.learner))]
  const best = names.map((name) =>
    Math.max(...rows.filter((row) => row.learner === name).map((row) => row.summary.cleanAccuracy)),
  )
  const reach = Math.max(...best)
  const weakest = Math.min(...best)
  const targets = [...new Set([0.95 * weakest, weakest, 0.9 * reach, reach].map((value) => Number(value.toFixed(3))))]
  const lines = [
    '| ensemble at least | learner | run | ensemble | median radius | mean radius |',
    '|---|---|---|---|---|---|',
  ]
  for (const target of targets.sort((a, b) => a - b)) {
    for (const name of names) {
      const reached = rows.filter((row) => row.learner === name && row.summary.cleanAccuracy >= target - 5e-4)
      const [top] = reached.sort((a, b) => b.summary.averageCertifiedRadius - a.summary.averageCertifiedRadius)
      lines.push(
        top === undefined
          ? `| ${percent(target)} | ${name} | never | | | |`
          : `| ${percent(target)} | ${name} | ${runName(top)} | ${percent(top.summary.cleanAccuracy)} | ${top.summary.medianRadius ?? 'none'} | ${top.summary.averageCertifiedRadius.toFixed(2)} |`,
      )
    }
  }
  return `${lines.join('\n')}\n`
}

export async function writeChart(file: string, title: string, unit: string, rows: readonly Row[]): Promise<void> {
  const names = [...new Set(rows.map((row) => row.learner))]
  const curves = rows.map((row) => ({
    ...certifiedAccuracyCurve(`${row.learner}, ${runName(row)}`, row.summary),
    colour: names.indexOf(row.learner),
    dashed: row.rule !== 'dpa',
  }))
  const chart = {
    title,
    xLabel: `poisons (${unit})`,
    yLabel: 'certified accuracy',
    yRange: [0, 1] as const,
    width: 860,
  }
  await writeFileAtomic(file, renderChart({ ...chart, curves }))
}
