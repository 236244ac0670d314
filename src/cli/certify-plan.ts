import { type DoseProposal, proposalTable, proposeFromDose, readDoseStudy } from '../certify/dose/proposal.ts'
import {
  checkRequirements,
  type Requirement,
  type RequirementReport,
  requirementError,
} from '../certify/rules/requirement.ts'
import type { CertifyVideosJob } from '../certify/videos/certify-videos.ts'
import type { SampleCounts } from '../certify/videos/forecast/ensembles.ts'
import { type CertificationForecast, forecastCertification } from '../certify/videos/forecast/forecast.ts'
import type { MeasuredWork } from '../certify/videos/forecast/measure.ts'
import { startsFresh } from '../certify/videos/learners/learner-options.ts'
import { printable } from '../core/printable.ts'
import { formatBytes } from '../train/memory-need.ts'
import { endAsRequired } from './certify-requirements.ts'

export interface PlanOptions {
  /** `lethal-dose.json` of trusted data. */
  readonly lethalDose?: string
  readonly requirements: readonly Requirement[]
  readonly json: boolean
}

/** `videomae certify --plan`. */
export async function planCommand(
  job: CertifyVideosJob,
  { lethalDose, requirements, json }: PlanOptions,
): Promise<void> {
  // Before a video is decoded.
  const study = lethalDose === undefined ? null : await readDoseStudy(lethalDose)
  const from = [job.from].flat()
  const kind = job.learner?.kind ?? 'ridge'
  const name = startsFresh(kind) ? `${kind}, sizes of ${from[0]}` : `${from[0]}, ${kind}`
  const about = { learner: name, kind, requirements }
  if (study !== null) proposeFromDose(study, 2, about)
  const forecast = await forecastCertification(job)
  const { threat, units } = forecast
  const proposal = study === null ? null : proposeFromDose(study, units, { ...about, threat })
  const required = requiredOf(proposal, requirements)
  if (json) return endAsRequired({ ...forecast, ...(proposal === null ? {} : { proposal }) }, required)
  process.stdout.write(
    `${planText(forecast)}${proposal === null ? '' : `\n${proposalTable(proposal)}\n`}nothing was written\n`,
  )
  // The table says which candidate meets what.
  const error = requirementError(required)
  if (error !== null) throw error
}

/** What is required, of every candidate; null where nothing is. */
function requiredOf(proposal: DoseProposal | null, requirements: readonly Requirement[]): RequirementReport | null {
  if (proposal === null) return null
  return checkRequirements(
    proposal.candidates.map(({ partitions, rule, spread, expected }) => ({
      run: `${rule} K=${partitions} d=${spread}`,
      inputs: expected.inputs,
      summary: expected,
    })),
    requirements,
  )
}

function planText(forecast: CertificationForecast): string {
  const { ensembles, features, memory, files, classes } = forecast
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  return [
    `data       ${forecast.protected} protected videos in ${forecast.units} units, ${forecast.predicted} to predict, ${forecast.leftOut} rows left out, ${classes.length} classes`,
    `unit       ${forecast.threat.unit}`,
    `features   ${features === null ? 'not computed: base classifiers read frames' : timeOf(features, 'clips')}`,
    `memory     features ${needOf(memory.features)}, base classifiers ${needOf(memory.learners)}${memory.fits ? '' : '; DOES NOT FIT'}`,
    ...memory.notes.map((note) => `           ${note}`),
    '',
    '| base classifiers | to train | samples each | of a class | without samples | one class only | time of training | time of votes | largest radius |',
    '|---|---|---|---|---|---|---|---|---|',
    ...ensembles.map(
      (each) =>
        `| ${[
          each.name,
          each.models,
          countsOf(each.samples),
          countsOf(fewestOf(Object.values(each.perClass))),
          each.emptyLearners,
          each.singleClassLearners,
          each.training === null ? 'not measured' : seconds(each.training.seconds),
          each.votes === null ? 'not measured' : seconds(each.votes.seconds),
          Object.entries(each.largestRadius)
            .map(([rule, radius]) => `${rule} ${radius}`)
            .join(', '),
        ].join(' | ')} |`,
    ),
    '',
    'Numbers of samples: fewest, median, most. "Of a class": the class with the fewest samples. Times of training and votes are for',
    'one thread, measured on part of the work. Rules are not measured; exact rules and --collective can take longer than all of this.',
    ...ensembles.flatMap(({ name, warnings }) => warnings.map((warning) => `warning    ${name}: ${warning}`)),
    `files      ${sizeOf(bytes)} in ${files.length} files`,
    ...files.map((file) => `           ${file.file}  ${file.exact ? '' : 'about '}${sizeOf(file.bytes)}`),
    '',
  ]
    .map(printable)
    .join('\n')
}

function fewestOf(counts: readonly SampleCounts[]): SampleCounts {
  return counts.reduce((a, b) => (b.median < a.median || (b.median === a.median && b.fewest < a.fewest) ? b : a))
}

const countsOf = ({ fewest, median, most }: SampleCounts): string => `${fewest}, ${median}, ${most}`
const needOf = (need: { readonly total: number; readonly available: number } | null): string =>
  need === null ? 'none' : `${formatBytes(need.total)} of ${formatBytes(need.available)}`

function timeOf({ seconds: all, measured, items }: MeasuredWork, what: string): string {
  return `about ${seconds(all)} for ${items} ${what}, measured on ${measured}; cached ones take no time`
}

function seconds(value: number): string {
  if (value < 1) return `${value.toFixed(2)} s`
  if (value < 100) return `${value.toFixed(0)} s`
  return value < 6000 ? `${(value / 60).toFixed(0)} min` : `${(value / 3600).toFixed(1)} h`
}

function sizeOf(bytes: number): string {
  if (bytes < 1e6) return `${Math.ceil(bytes / 1000)} KB`
  return formatBytes(bytes)
}
