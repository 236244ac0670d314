/** What two certificates differ in, as text for people and as a table for spreadsheets. */
import { printable } from '../../core/printable.ts'
import { spreadsheetField } from '../../format/csv.ts'
import type { ChangedUnit } from './changes.ts'
import type { CertificateDiff, InputComparison, RunDiff } from './diff.ts'

/** Lines of one kind that are printed; `--json` and `--csv` have all. */
const mostPrinted = 20

/** The comparison as text, with the claim that the check is about. */
export function diffTable(diff: CertificateDiff): string {
  const { protectedSet, inputs, claimDifferences, runs, runsOnlyBefore, runsOnlyAfter, violations } = diff
  return [
    `before     ${diff.before}`,
    `after      ${diff.after}`,
    ...(protectedSet === null
      ? ['protected  unknown: a certificate does not record its protected set']
      : protectedLines(protectedSet)),
    `unit       ${diff.unit}`,
    `inputs     ${inputs.both} in both (matched by ${inputs.matchedBy}), ${inputs.onlyBefore.length} only before, ${inputs.onlyAfter.length} only after`,
    ...claimDifferences.map(
      ({ field, before, after }) => `differs    ${field}: ${shown(before)} before, ${shown(after)} after`,
    ),
    ...runsOnlyBefore.map((run) => `differs    ${run}: only before`),
    ...runsOnlyAfter.map((run) => `differs    ${run}: only after`),
    '',
    '| run | changed units | predictions changed | radius gained | radius lost | certified for this change | base classifiers changed |',
    '|---|---|---|---|---|---|---|',
    ...runs.map(runLine),
    '',
    ...runs.flatMap(({ run, notChecked }) => (notChecked === null ? [] : [`not checked: ${run}: ${notChecked}`])),
    ...runs.flatMap(predictionLines),
    ...limited(
      violations,
      ({ run, kind, what, reason }) =>
        `CONTRADICTS the claim: ${run}, ${kind === 'learner' ? 'base classifier' : 'input'} ${what}: ${reason}`,
    ),
    ...(violations.length === 0 && runs.some(({ notChecked }) => notChecked === null)
      ? ['nothing contradicts the claim: every input that is certified for the change has the same prediction']
      : []),
    'not checked: whether each certificate follows from its votes (videomae verify)',
    `claim      ${diff.claim}`,
    '',
  ]
    .map(printable)
    .join('\n')
}

function protectedLines({ before, after, counts, changes }: NonNullable<CertificateDiff['protectedSet']>): string[] {
  return [
    `protected  ${before.samples} videos in ${before.units} units before, ${after.samples} in ${after.units} after`,
    `changed    ${changes.length} ${changes.length === 1 ? 'unit' : 'units'}: ${counts.added} added, ${counts.removed} removed, ${counts.label} with other labels, ${counts.content} with other contents`,
    ...limited(changes, changeLine),
  ]
}

function changeLine({ change, ids, before, after, unit }: ChangedUnit): string {
  const names = ids.length > 3 ? `${ids.slice(0, 3).join(', ')} and ${ids.length - 3} more` : ids.join(', ')
  const labels = { before: before.join(', '), after: after.join(', ') }
  const what = {
    added: `+ ${names} (${labels.after})`,
    removed: `- ${names} (${labels.before})`,
    label: `~ ${names}: ${labels.before} -> ${labels.after}`,
    content: `~ ${names}: other contents`,
  }[change]
  return `  ${what}  [${unit.length > 20 ? unit.slice(0, 12) : unit}]`
}

function runLine(run: RunDiff): string {
  const { learners, certified, inputs } = run
  return `| ${[
    run.run,
    run.cost ?? 'unknown',
    run.predictionsChanged,
    run.radiiGained,
    run.radiiLost,
    certified === null ? 'not checked' : `${certified} of ${inputs}`,
    learners === null ? 'unknown' : `${learners.changed} (at most ${learners.reached})`,
  ].join(' | ')} |`
}

function predictionLines({ run, outcomes, cost }: RunDiff): string[] {
  const moved = outcomes.filter(({ before, after }) => before.prediction !== after.prediction)
  return limited(
    moved,
    ({ id, label, before, after }) =>
      `${run}: ${id} (${label}): ${before.prediction} -> ${after.prediction}, radius ${before.radius} -> ${after.radius}${cost !== null && before.radius < cost ? `, below the ${cost} changed ${cost === 1 ? 'unit' : 'units'}` : ''}`,
  )
}

function limited<Item>(items: readonly Item[], line: (item: Item) => string): string[] {
  const more = items.length - mostPrinted
  return [...items.slice(0, mostPrinted).map(line), ...(more > 0 ? [`  and ${more} more`] : [])]
}

function shown(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`
}

const columns = [
  'run',
  'id',
  'sha256',
  'label',
  'prediction_before',
  'prediction_after',
  'radius_before',
  'radius_after',
  'changed_units',
  'certified',
] as const

/** How the table begins, by which an earlier one is known. */
export const diffCsvStart = columns.join(',')

/** One line for each input of each run. `certified` is yes, no, or empty where the check was not made. */
export function diffCsv({ runs }: Pick<CertificateDiff, 'runs'>): string {
  const lines = runs.flatMap((run) => run.outcomes.map((outcome) => csvLine(run, outcome)))
  return [diffCsvStart, ...lines, ''].join('\n')
}

function csvLine({ run, cost }: RunDiff, { id, sha256, label, before, after, certified }: InputComparison): string {
  const row: Readonly<Record<(typeof columns)[number], string | number>> = {
    run,
    id,
    sha256: sha256 ?? '',
    label,
    prediction_before: before.prediction,
    prediction_after: after.prediction,
    radius_before: before.radius,
    radius_after: after.radius,
    changed_units: cost ?? '',
    certified: certified === null ? '' : certified ? 'yes' : 'no',
  }
  return columns.map((column) => spreadsheetField(row[column])).join(',')
}
