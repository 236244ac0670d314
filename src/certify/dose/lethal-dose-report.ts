/** The one plot and the one table of a lethal-dose study. */
import path from 'node:path'
import { makeFolder } from '../../core/make-folder.ts'
import { writeFileAtomic } from '../../format/atomic.ts'
import { type Curve, renderChart } from '../../format/chart.ts'
import { requireOwnResults } from '../../format/own-results.ts'
import type { DoseRow, LearnerDose, LethalDoseReport } from './lethal-dose.ts'

const percent = (share: number) => `${(100 * share).toFixed(1)}%`
const number = (value: number | null, digits = 0) => (value === null ? 'not reached' : value.toFixed(digits))

/** Median radius over K: measured (solid) and predicted from the learning curve (dashed), one color a learner. */
export function lethalDoseChart(report: LethalDoseReport): string {
  const curves = report.learners.flatMap((learner, color): Curve[] => {
    const measured = learner.rows.flatMap((row) =>
      row.measured.medianRadius === null ? [] : [[row.partitions, row.measured.medianRadius] as const],
    )
    const predicted = learner.rows.flatMap((row) =>
      row.predictedMedian === null ? [] : [[row.partitions, row.predictedMedian] as const],
    )
    return [
      { name: `${learner.name}, measured`, points: measured, color },
      { name: `${learner.name}, predicted`, points: predicted, color, stroke: 'dashed' },
    ]
  })
  const drawn = curves.filter((curve) => curve.points.length > 0)
  return renderChart({
    title: `Median ${certifies(report)} against the number of partitions`,
    xLabel: 'partitions K',
    yLabel: `median radius (${unitOf(report)})`,
    xTicks: 'whole',
    yTicks: 'whole',
    // A plot without a single median above one half is still a plot: it shows zero.
    curves: drawn.length > 0 ? drawn : [{ name: 'no median: all below 50%', points: [[1, 0]] }],
    width: 860,
  })
}

/** `certified radius` only where every curve is a promise. */
function certifies({ learners }: LethalDoseReport): string {
  return learners.every(({ threat }) => threat !== null) ? 'certified radius' : 'radius'
}

function unitOf({ learners }: LethalDoseReport): string {
  const units = new Set(learners.map(({ threat }) => threat?.threat))
  const names = {
    label_flip: 'label flips',
    general: 'insertions and deletions',
    source: 'sources',
    temporal: 'periods',
  }
  const [unit] = units
  return units.size === 1 && unit !== undefined ? names[unit] : 'poisoned samples'
}

/** What the radii of each learner are a promise against; learners of one statement share its claim. */
function promises(learners: readonly LearnerDose[]): string[] {
  const lines = ['What the radii mean:', '']
  for (const { name, threat } of learners) {
    if (threat === null) {
      lines.push(`* ${name}: no claim. No threat was declared and no encoder was checked, so they only count votes.`)
      continue
    }
    const { trust, overlap, labelsUsed } = threat.encoder
    const shared =
      overlap === null
        ? 'number of samples shared with the protected set unknown'
        : `${overlap} samples shared with the protected set`
    lines.push(
      `* ${name}: threat ${threat.threat}, one poisoned sample is ${threat.unit}; encoder ${trust}, ${shared}${labelsUsed ? ', labels used' : ''}. ${threat.claim}`,
    )
  }
  const conditions = new Set(learners.flatMap(({ threat }) => threat?.conditions ?? []))
  const notCovered = new Set(learners.flatMap(({ threat }) => threat?.notCovered ?? []))
  if (conditions.size > 0) lines.push('', 'Conditions:', '', ...[...conditions].map((line) => `* ${line}`))
  if (notCovered.size > 0) lines.push('', 'Not covered:', '', ...[...notCovered].map((line) => `* ${line}`))
  const remarks = learners.flatMap(({ name, remarks }) => remarks.map((remark) => `* ${name}: ${remark}`))
  if (remarks.length > 0) lines.push('', 'Warnings:', '', ...remarks)
  return [...lines, '']
}

/** The interval of a number of samples. */
const sizes = ([low, high]: readonly [number, number | null]): string =>
  high === null ? `${number(low)} or more` : `${number(low)} to ${number(high)}`

/** The report as a table in Markdown, one row for each learner. */
export function lethalDoseTable(report: LethalDoseReport): string {
  const lines = [
    ...promises(report.learners),
    '| base classifier | N | accuracy of one base classifier | n | 90 % interval over subsets | dose N/n |',
    '|---|---|---|---|---|---|',
  ]
  for (const learner of report.learners)
    for (const { accuracy, samples, atMost, interval, dose } of learner.complexity)
      lines.push(
        `| ${learner.name} | ${learner.samples} | ${percent(accuracy)} | ${atMost ? 'at most ' : ''}${number(samples)} | ${interval === null || atMost ? '' : sizes(interval)} | ${atMost ? 'at least ' : ''}${number(dose)} |`,
      )
  lines.push(
    '',
    '| base classifier | K | N/K | single, subsets | single, partitions | ensemble | median predicted | median measured |',
  )
  lines.push('|---|---|---|---|---|---|---|---|')
  for (const learner of report.learners) for (const row of learner.rows) lines.push(doseLine(learner.name, row))
  lines.push(
    '',
    '| ensemble accuracy at least | base classifier | largest K | its median | best median | at K | ensemble there |',
  )
  lines.push('|---|---|---|---|---|---|---|')
  for (const { target, rows } of report.matched)
    for (const { name, row, best } of rows)
      lines.push(
        row === null || best === null
          ? `| ${percent(target)} | ${name} | none |  |  |  |  |`
          : `| ${percent(target)} | ${name} | ${row.partitions} | ${row.measured.medianRadius ?? 'none'} | ${best.measured.medianRadius ?? 'none'} | ${best.partitions} | ${percent(best.measured.cleanAccuracy)} |`,
      )
  return `${lines.join('\n')}\n`
}

function doseLine(name: string, row: DoseRow): string {
  const { measured } = row
  return `| ${name} | ${row.partitions} | ${row.size} | ${percent(row.predictedBase)} | ${percent(row.measuredBase)} | ${percent(measured.cleanAccuracy)} | ${row.predictedMedian === null ? 'none' : number(row.predictedMedian, 1)} | ${measured.medianRadius ?? 'none'} |`
}

const doseFiles = ['lethal-dose.json', 'lethal-dose.svg', 'lethal-dose.md']

/**
 * Refuses a folder where a study would replace files of other origin.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN`
 */
export function requireDoseFolder(folder: string): Promise<void> {
  return requireOwnResults(folder, {
    what: 'that of an earlier study',
    isWritten: (name) => doseFiles.includes(name),
    main: 'lethal-dose.json',
    begins: /^\{"schema":"videomae\.lethal-dose\//,
  })
}

/**
 * Writes `lethal-dose.json`, `lethal-dose.svg` and `lethal-dose.md`, in this order: the first tells whose the others are.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN`
 */
export async function writeLethalDose(directory: string, report: LethalDoseReport): Promise<void> {
  await requireDoseFolder(directory)
  makeFolder(directory)
  await writeFileAtomic(path.join(directory, 'lethal-dose.json'), `${JSON.stringify(report)}\n`)
  await writeFileAtomic(path.join(directory, 'lethal-dose.svg'), lethalDoseChart(report))
  await writeFileAtomic(path.join(directory, 'lethal-dose.md'), lethalDoseTable(report))
}
