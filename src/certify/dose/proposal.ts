/**
 * Which K, rule and spread a lethal-dose study of trusted data suggests for another training set.
 *
 * A base classifier of n samples votes alike in both. So the margin p - q of an input at n samples is taken from the study, and the radius
 * at K = N/n follows from it: K/2 (p - q) for `dpa`, and for Finite Aggregation from the rule itself on votes of that margin.
 */

import { z } from 'zod'
import { VideoMaeError } from '../../core/errors.ts'
import { printable } from '../../core/printable.ts'
import { RandomStream } from '../../core/random.ts'
import { parseUniqueJson } from '../../format/json.ts'
import { readRegularText } from '../../format/regular-file.ts'
import { emptyBallots } from '../rules/ballot.ts'
import { certifyBallots } from '../rules/certify-ballots.ts'
import { type RobustnessSummary, summarizeCounts } from '../rules/metrics.ts'
import { partitionRule, spreadRule } from '../rules/names.ts'
import { checkRequirements, type Requirement } from '../rules/requirement.ts'
import { spreadOffsets } from '../rules/spread.ts'

/** Bounds of what a file can ask for: the work grows with rows, radii and learners. */
const [largestStudy, mostRows] = [5_000_000, 1000]

const rowSchema = z
  .looseObject({
    partitions: z.number().int().positive().max(1_000_000),
    size: z.number().int().positive(),
    measured: z.looseObject({
      inputs: z.number().int().positive().max(10_000_000),
      certifiedAccuracy: z.array(z.number().min(0).max(1)).min(1),
    }),
  })
  .refine(({ partitions, measured: { certifiedAccuracy } }) => certifiedAccuracy.length <= partitions / 2 + 1, {
    path: ['measured', 'certifiedAccuracy'],
    error: 'expected no radius above half of partitions',
  })
  .refine(({ measured: { certifiedAccuracy: shares } }) => shares.every((share, r) => share >= (shares[r + 1] ?? 0)), {
    path: ['measured', 'certifiedAccuracy'],
    error: 'expected shares that do not grow with the radius',
  })

const learnerSchema = z
  .looseObject({
    name: z.string(),
    samples: z.number().int().positive(),
    rows: z.array(rowSchema).min(1).max(mostRows),
    threat: z
      .looseObject({ unit: z.string(), encoder: z.looseObject({ digest: z.string() }) })
      .nullable()
      .optional(),
  })
  .refine(
    ({ samples, rows }) => rows.every(({ partitions, size }) => size === Math.max(1, Math.round(samples / partitions))),
    { path: ['rows'], error: 'expected sizes of samples / partitions' },
  )

const studySchema = z.looseObject({
  schema: z.literal('videomae.lethal-dose/1'),
  learners: z
    .array(learnerSchema)
    .min(1)
    .refine((learners) => new Set(learners.map(({ name }) => name)).size === learners.length, {
      error: 'expected a different name for each base classifier',
    }),
})

type Study = z.infer<typeof studySchema>
type StudyLearner = Study['learners'][number]
type StudyRow = StudyLearner['rows'][number]

/** One K, rule and spread, with what the study lets expect of it. */
export interface ProposedEnsemble {
  /** K. */
  readonly partitions: number
  /** The aggregation rule. */
  readonly rule: typeof partitionRule | typeof spreadRule
  /** d of Finite Aggregation; 1 without. */
  readonly spread: number
  /** Samples of a base classifier, as in the study. */
  readonly samples: number
  /** Base classifiers to train. */
  readonly learners: number
  /** Expected accuracy and radii, interpolated from the study. */
  readonly expected: RobustnessSummary
  /** Whether it is expected to meet everything that is required; null where nothing is. */
  readonly meets: boolean | null
}

/** Ensembles that a lethal-dose study proposes for a training set. */
export interface DoseProposal {
  /** The learner of the study. */
  readonly learner: string
  /** N of the study, and of the training set that the proposal is for. */
  readonly studySamples: number
  /** N of the training set that the proposal is for, in units of the radius. */
  readonly samples: number
  /** Every ensemble that was compared. */
  readonly candidates: readonly ProposedEnsemble[]
  /** In what the study is about something else than the ensembles that are proposed, one sentence each. */
  readonly notes: readonly string[]
  /** The one with the largest expected mean radius, of those that keep nine tenths of the best accuracy, or that meet what is required. */
  readonly best: ProposedEnsemble | null
}

/** d of the proposals with rule `fa`. */
const spreads = [2, 4] as const
/** Ballots of simulated votes held at once: K times d of them for each margin. */
const mostLearners = 20_000
/** Share of the best expected accuracy that a proposal has to keep. */
const keptAccuracy = 0.9

/**
 * Reads `lethal-dose.json`.
 *
 * @throws VideoMaeError `DOSE_INVALID`
 */
export async function readDoseStudy(file: string): Promise<Study> {
  const text = await readRegularText(file, { maxBytes: largestStudy })
  try {
    return studySchema.parse(parseUniqueJson(text))
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : error instanceof Error ? error.message : ''
    throw new VideoMaeError(`Expected lethal-dose.json in ${file}, but: ${why.slice(0, 300)}.`, {
      code: 'DOSE_INVALID',
      exit: 'data',
      hint: 'Name the lethal-dose.json that `videomae lethal-dose` wrote.',
    })
  }
}

/** What a proposal is for; what is left out is not compared with the study. */
export interface ProposalOptions {
  /** Name of the learner in the study; may be left out where it has one. */
  readonly learner?: string
  /** Kind of the base classifiers. */
  readonly kind?: string
  /** Encoder, and what one poisoned sample is. */
  readonly threat?: { readonly unit: string; readonly encoder: { readonly digest: string } }
  readonly requirements?: readonly Requirement[]
}

/**
 * Proposes ensembles for a training set from a lethal-dose study.
 *
 * @param samples N: units of the training set that is to be certified
 * @throws VideoMaeError `DOSE_INVALID` where the study does not have this learner
 */
export function proposeFromDose(study: Study, samples: number, options: ProposalOptions = {}): DoseProposal {
  const { requirements = [] } = options
  const found = learnerOf(study, options)
  const candidates = found.rows.flatMap((row) => candidatesOf(row, samples, requirements))
  const accuracy = Math.max(0, ...candidates.map(({ expected }) => expected.cleanAccuracy))
  const allowed = candidates.filter(({ meets, expected }) =>
    requirements.length > 0 ? meets === true : expected.cleanAccuracy >= keptAccuracy * accuracy,
  )
  // Of equal ones the one with fewer base classifiers to train.
  const [best = null] = allowed.toSorted(
    (a, b) => b.expected.averageCertifiedRadius - a.expected.averageCertifiedRadius || a.learners - b.learners,
  )
  return {
    learner: found.name,
    studySamples: found.samples,
    samples,
    candidates,
    notes: notesOf(found, options),
    best,
  }
}

/** `lethal-dose` names learners `ENCODER, KIND`, or `KIND, sizes of CHECKPOINT` where there is no encoder. */
const isOfKind = (name: string, kind: string): boolean =>
  name === kind || name.endsWith(`, ${kind}`) || name.startsWith(`${kind}, sizes of `)

function learnerOf({ learners }: Study, { learner: wanted, kind }: ProposalOptions): StudyLearner {
  const found = learners.find(({ name }) => name === wanted)
  if (found !== undefined) return found
  // An encoder may be elsewhere by now: of a single one the digest is compared.
  const [only] = learners
  const fits = kind === undefined ? wanted === undefined : isOfKind(only.name, kind)
  if (learners.length === 1 && fits) return only
  const names = learners.map(({ name }) => JSON.stringify(name)).join(', ')
  throw new VideoMaeError(`Expected a study of ${wanted ?? kind ?? 'one base classifier'}, but it has ${names}.`, {
    code: 'DOSE_INVALID',
    exit: 'data',
    hint: 'Run `videomae lethal-dose` on trusted data with the same --from and --learner.',
  })
}

function notesOf({ threat = null }: StudyLearner, { threat: here }: ProposalOptions): string[] {
  if (here === undefined) return []
  if (threat === null) return ['the study does not say which encoder it used']
  return [
    ...(threat.encoder.digest === here.encoder.digest
      ? []
      : [`the study used another encoder, readout or scale (${threat.encoder.digest}, here ${here.encoder.digest})`]),
    ...(threat.unit === here.unit ? [] : [`the study counted other units: ${threat.unit}`]),
  ]
}

function candidatesOf(row: StudyRow, samples: number, requirements: readonly Requirement[]): ProposedEnsemble[] {
  const partitions = Math.round(samples / row.size)
  if (partitions < 2) return []
  const margins = marginsOf(row)
  const shapes = [{ rule: partitionRule, spread: 1 }, ...spreads.map((spread) => ({ rule: spreadRule, spread }))]
  return shapes
    .filter(({ spread }) => partitions * spread <= mostLearners)
    .map(({ rule, spread }) => {
      const expected = expectedSummary(margins, partitions, rule, spread)
      const report = checkRequirements([{ run: rule, inputs: expected.inputs, summary: expected }], requirements)
      return {
        ...{ partitions, rule, spread, samples: row.size, learners: partitions * spread, expected },
        meets: report === null ? null : report.metBy.length > 0,
      }
    })
}

/**
 * How many inputs have each margin p - q, from the radii of the study, rounded down: radius r of K partitions needs a margin of at
 * least 2r/K. -1 stands for wrong predictions.
 */
function marginsOf({ partitions, measured: { inputs, certifiedAccuracy } }: StudyRow): Map<number, number> {
  const counts = certifiedAccuracy.map((share) => Math.round(share * inputs))
  const margins = new Map([[-1, inputs - counts[0]]])
  for (const [r, count] of counts.entries())
    margins.set(Math.min(1, (2 * r) / partitions), count - (counts[r + 1] ?? 0))
  return margins
}

/** Every base classifier that does not vote for the winner votes for one rival: the votes of a margin that are worst to defend. */
function expectedSummary(
  margins: ReadonlyMap<number, number>,
  partitions: number,
  rule: ProposedEnsemble['rule'],
  spread: number,
): RobustnessSummary {
  const learners = partitions * spread
  const offsets = spread === 1 ? [0] : spreadOffsets(partitions, spread, 0)
  const stream = new RandomStream('proposal', partitions, spread)
  const known = new Map<number, number>()
  const radiusOf = (margin: number): number => {
    // The winner wins ties, as a radius of the study may rest on one. Halves are rounded up, whatever the last bit of a margin is.
    const winners = Math.ceil(((1 + margin) / 2) * learners - 1e-9)
    const before = known.get(winners)
    if (before !== undefined) return before
    const ballots = emptyBallots(1, learners, 2, 1)
    for (const [rank, learner] of stream.permutation(learners).entries())
      ballots.ranks[learner] = rank < winners ? 0 : 1
    const [{ prediction, radius }] = certifyBallots(ballots, { rule, offsets })
    const found = prediction === 0 ? radius : 0
    known.set(winners, found)
    return found
  }
  const radii = new Map<number, number>()
  for (const [margin, count] of margins) {
    if (count === 0) continue
    const radius = margin < 0 ? -1 : radiusOf(margin)
    radii.set(radius, (radii.get(radius) ?? 0) + count)
  }
  return summarizeCounts(radii)
}

const percent = (share: number): string => `${(100 * share).toFixed(1)}%`

/** The candidates as a Markdown table, and what they rest on. */
export function proposalTable({ learner, studySamples, samples, candidates, notes, best }: DoseProposal): string {
  const at = [1, 2, 5, 10, 20]
  const name = ({ partitions, rule, spread }: ProposedEnsemble) =>
    `--partitions ${partitions} --rule ${rule}${spread > 1 ? ` --spread ${spread}` : ''}`
  return [
    `from the study of ${learner} on ${studySamples} samples, for ${samples} units:`,
    ...notes.map((note) => `warning   ${note}`),
    '',
    `| options | samples of a base classifier | base classifiers | accuracy | ${at.map((r) => `certified at ${r}`).join(' | ')} | mean radius | meets |`,
    `|---|---|---|---|${at.map(() => '---|').join('')}---|---|`,
    ...candidates.map((each) => {
      const { expected, meets } = each
      const certified = at.map((r) => percent(expected.certifiedAccuracy[r] ?? 0)).join(' | ')
      return `| ${name(each)} | ${each.samples} | ${each.learners} | ${percent(expected.cleanAccuracy)} | ${certified} | ${expected.averageCertifiedRadius.toFixed(1)} | ${meets === null ? '' : meets ? 'yes' : 'no'} |`
    }),
    '',
    best === null ? 'proposed  nothing: no candidate is expected to meet the requirement' : `proposed  ${name(best)}`,
    'These are expectations, not certificates: they assume data like those of the study. If the study used the protected data,',
    'the choice is part of training and is not covered by the claim.',
  ]
    .map(printable)
    .join('\n')
}
