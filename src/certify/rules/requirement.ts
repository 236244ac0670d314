/** Requirements on a certificate, for gates of a pipeline: `certified@5>=0.6`. */
import { invalidArgument, requireDistinct, VideoMaeError } from '../../core/errors.ts'
import type { RobustnessSummary } from './metrics.ts'

/** What can be required of the predictions of a run. */
const measures = ['accuracy', 'certified', 'median-radius', 'mean-radius'] as const
type Measure = (typeof measures)[number]

export interface Requirement {
  /** As it was given. */
  readonly text: string
  readonly measure: Measure
  /** For `certified`: units of poison. */
  readonly radius: number
  readonly least: number
}

/** A run of a certificate. */
export interface MeasuredRun {
  readonly run: string
  /** All inputs, also those without a true class. */
  readonly inputs: number
  /** Of the inputs with a true class; null where none has one. */
  readonly summary: RobustnessSummary | null
}

export interface RequirementReport {
  /** As they were given. */
  readonly required: readonly string[]
  /** Runs that meet all requirements together. */
  readonly metBy: readonly string[]
  readonly runs: readonly {
    readonly run: string
    readonly values: readonly {
      readonly requirement: string
      /** Null: a median radius where less than half is predicted right. */
      readonly value: number | null
      readonly met: boolean
    }[]
  }[]
}

const pattern = /^(accuracy|certified@(\d+)|median-radius|mean-radius)\s*>=\s*(\d+(?:\.\d+)?)$/

/**
 * `accuracy>=A`, `certified@R>=A` (share of inputs that are right and certified for R units of poison), `median-radius>=R` or
 * `mean-radius>=R`.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for anything else, or a share above 1
 */
export function parseRequirements(texts: readonly string[], name = 'require'): Requirement[] {
  requireDistinct(name, texts)
  return texts.map((text) => {
    const found = pattern.exec(text.trim())
    const measure = found?.[1].split('@')[0] as Measure | undefined
    const [radius, least] = [Number(found?.[2] ?? 0), Number(found?.[3])]
    const isShare = measure === 'accuracy' || measure === 'certified'
    if (measure === undefined || (isShare && least > 1) || !Number.isSafeInteger(radius))
      throw invalidArgument(
        name,
        'accuracy>=A, certified@R>=A, median-radius>=R or mean-radius>=R, where A is a share from 0 to 1',
        text,
        `For example ${name} 'certified@5>=0.6': 60 % of the inputs stay right with any 5 poisoned units.`,
      )
    return { text, measure, radius, least }
  })
}

/**
 * Inputs without a true class. Nobody knows whether they are predicted right, and whoever wrote the file could leave out the
 * classes of those that are not.
 *
 * @param what has the inputs, e.g. a run
 * @param known inputs with a true class, fewer than all
 */
export function noTrueClasses({ text }: Requirement, what: string, inputs: number, known: number): VideoMaeError {
  return new VideoMaeError(
    `Expected a true class of every input for ${text}, but ${what} has ${known === 0 ? 'none' : `${known} for ${inputs} inputs`}.`,
    {
      code: 'NO_TRUE_CLASSES',
      exit: 'data',
      hint: 'Add a column with the true class of each input, or leave out the inputs without one.',
    },
  )
}

/**
 * Compares runs with requirements. A pipeline uses one of the runs, so one run has to meet all of them.
 *
 * @returns null where nothing is required
 * @throws VideoMaeError `NO_TRUE_CLASSES` for a run with inputs without a true class
 */
export function checkRequirements(
  runs: readonly MeasuredRun[],
  requirements: readonly Requirement[],
): RequirementReport | null {
  if (requirements.length === 0) return null
  const checked = runs.map(({ run, inputs, summary }) => {
    if (summary === null || summary.inputs < inputs)
      throw noTrueClasses(requirements[0], run, inputs, summary?.inputs ?? 0)
    const values = requirements.map((requirement) => {
      const value = measured(summary, requirement)
      return { requirement: requirement.text, value, met: value !== null && value >= requirement.least }
    })
    return { run, values }
  })
  const metBy = checked.filter(({ values }) => values.every(({ met }) => met)).map(({ run }) => run)
  return { required: requirements.map(({ text }) => text), metBy, runs: checked }
}

function measured(summary: RobustnessSummary, { measure, radius }: Requirement): number | null {
  switch (measure) {
    case 'accuracy':
      return summary.cleanAccuracy
    case 'certified':
      return summary.certifiedAccuracy[radius] ?? 0
    case 'median-radius':
      return summary.medianRadius
    case 'mean-radius':
      return summary.averageCertifiedRadius
  }
}

/** A line for each run and requirement. */
export function requirementLines({ runs }: RequirementReport): string[] {
  return runs.flatMap(({ run, values }) =>
    values.map(
      ({ requirement, value, met }) =>
        `${met ? 'met       ' : 'NOT MET   '} ${requirement}  ${run}: ${value === null ? 'none' : shown(value, met, requirement)}`,
    ),
  )
}

/** Four digits, or as many as it takes to see that a value is below what is required. */
function shown(value: number, met: boolean, requirement: string): number {
  const [{ least }] = parseRequirements([requirement])
  for (let digits = 4; digits < 17; digits++) {
    const rounded = Number(value.toFixed(digits))
    if (met || rounded < least) return rounded
  }
  return value
}

/** `REQUIREMENT_NOT_MET` where no run meets all of them; null where one does, or nothing is required. */
export function requirementError(report: RequirementReport | null): VideoMaeError | null {
  if (report === null || report.metBy.length > 0) return null
  const { runs, required } = report
  const all = required.join(' and ')
  return new VideoMaeError(
    `Expected a run with ${all}, but ${runs.length === 1 ? 'the only run does not meet it' : `none of ${runs.length} runs meets it`}.`,
    {
      code: 'REQUIREMENT_NOT_MET',
      exit: 'checkFailed',
      hint: 'More trusted or labeled data, another encoder or another --partitions can help; see `videomae lethal-dose`.',
    },
  )
}
