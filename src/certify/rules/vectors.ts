/**
 * Test vectors of the rules (form: docs/certificate-reference.md): what a file says of each rule, and its check. `../vectors.ts` adds
 * what is no matter of the rules.
 */
import { z } from 'zod'
import { baggingRadius } from './bagging.ts'
import { allRankings, disjointReach, spreadReach, trueRadius } from './brute-force.ts'
import { certifyDpa, certifyTally } from './dpa.ts'
import { runOffWinner } from './election.ts'
import { certifyEncoderGroups } from './encoder-groups.ts'
import { certifyFiniteAggregation, certifyFiniteAggregationNaive } from './finite-aggregation.ts'
import { summarizeRadii } from './metrics.ts'
import { plurality, tally } from './plurality.ts'
import { certifyRunOff, fewestForTwoGaps } from './run-off-election.ts'
import { certifyRunOffFinite } from './run-off-finite.ts'
import { publishedOffsets } from './spread.ts'
import { certifyTemporal } from './temporal.ts'

const count = z.number().int().nonnegative()
const counts = z.array(count)
const dpaEntry = z.object({
  id: z.string(),
  C: count,
  votes: counts,
  counts,
  prediction: count,
  radius: z.number().int(),
  radius_true: count.nullable(),
})
const faEntry = dpaEntry.extend({ k: count, d: count, shifts: counts, radius_naive: z.number().int() })
const ballots = z.array(counts)
const cost = z.number().nullable()
const roeEntry = z.object({
  id: z.string(),
  C: count,
  ballots,
  prediction: count,
  cert_round1: cost,
  cert_round2: cost,
  radius: z.number().int(),
  radius_true: count.nullable(),
})
const roeDpaEntry = roeEntry.extend({
  first_round: counts,
  plurality: count,
  dpa_radius: z.number().int(),
  finalist: count,
})
const roeFaEntry = roeEntry.extend({ k: count, d: count, shifts: counts })

/** Sections of a file, all optional. */
export const ruleSections = {
  dpa: z
    .strictObject({
      small: z.array(dpaEntry).optional(),
      large: z.array(dpaEntry).optional(),
      tallies_prediction_radius: z.array(z.tuple([counts, count, z.number().int()])).optional(),
    })
    .optional(),
  fa: z
    .strictObject({
      small: z.array(faEntry).optional(),
      large: z.array(faEntry).optional(),
      reference_repo_shifts: z.record(z.string().regex(/^k=\d+,d=\d+$/), counts).optional(),
    })
    .optional(),
  roe_dpa: z
    .strictObject({
      small: z.array(roeDpaEntry).optional(),
      large: z.array(roeDpaEntry).optional(),
      two_gap_table: z.object({ table: z.array(counts) }).optional(),
    })
    .optional(),
  roe_fa: z.strictObject({ small: z.array(roeFaEntry).optional(), large: z.array(roeFaEntry).optional() }).optional(),
  shared_encoder_blocks: z
    .array(
      z.object({
        id: z.string(),
        C: count,
        votes: counts,
        blocks: z.array(counts),
        prediction: count,
        certified: z.record(z.string().regex(/^ru=\d+,rl=\d+$/), z.boolean()),
      }),
    )
    .optional(),
  bagging: z
    .array(z.object({ N: count, s: count, pA: z.number(), pB: z.number(), radius: z.number().int() }))
    .optional(),
  temporal: z
    .array(
      z.object({
        id: z.string(),
        votes: counts,
        C: count,
        coverage: count,
        prediction: count,
        earliness: count,
        duration: count,
      }),
    )
    .optional(),
  dataset_metrics: z
    .object({
      radii: z.array(z.number().int()),
      certified_accuracy_at_r: z.array(z.number()),
      median_radius: count.nullable(),
      median_as_printed_by_reference_scripts: count,
      average_certified_radius: z.number(),
    })
    .optional(),
}

type RuleVectors = z.infer<z.ZodObject<typeof ruleSections>>

/** Where the values of a section are compared. */
export interface Comparison {
  /** Compares the values of one entry by name: `id` names the entry where one differs. */
  entry(id: string, expected: Readonly<Record<string, unknown>>, actual: Readonly<Record<string, unknown>>): void
}

/** Checks all entries of a section; without effect where the file has none. */
export type AddSection = <T>(
  name: string,
  entries: readonly T[] | undefined,
  check: (entry: T, s: Comparison) => void,
) => void

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)
const list = (values: ArrayLike<number>): number[] => Array.from(values)

/** Checks every section of the rules that the file has. */
export function checkRuleVectors(vectors: RuleVectors, section: AddSection): void {
  checkDisjoint(vectors, section)
  checkSpread(vectors, section)
  checkRunOff(vectors, section)
  checkOtherRules(vectors, section)
  checkMetrics(vectors, section)
}

/** Plurality of disjoint partitions. */
function checkDisjoint(vectors: RuleVectors, section: AddSection): void {
  for (const size of ['small', 'large'] as const) {
    section(`dpa.${size}`, vectors.dpa?.[size], (e, s) => {
      const certified = certifyDpa(e.votes, e.C)
      const predict = (cast: readonly number[]) => plurality(tally(cast, e.C))
      const adversary = { cast: e.votes, choices: e.C, reach: disjointReach(e.votes.length), predict }
      s.entry(
        e.id,
        { counts: e.counts, prediction: e.prediction, radius: e.radius, radius_true: e.radius_true },
        {
          ...certified,
          counts: list(tally(e.votes, e.C)),
          radius_true: e.radius_true === null ? null : trueRadius(adversary),
        },
      )
    })
  }
  section('dpa.tallies_prediction_radius', vectors.dpa?.tallies_prediction_radius, ([tallies, prediction, radius], s) =>
    s.entry(JSON.stringify(tallies), { prediction, radius }, { ...certifyTally(tallies) }),
  )
}

/** Finite Aggregation. */
function checkSpread(vectors: RuleVectors, section: AddSection): void {
  for (const size of ['small', 'large'] as const) {
    section(`fa.${size}`, vectors.fa?.[size], (e, s) => {
      const predict = (cast: readonly number[]) => plurality(tally(cast, e.C))
      const adversary = { cast: e.votes, choices: e.C, reach: spreadReach(e.votes.length, e.shifts), predict }
      s.entry(
        e.id,
        {
          learners: e.k * e.d,
          counts: e.counts,
          prediction: e.prediction,
          radius: e.radius,
          radius_naive: e.radius_naive,
          radius_true: e.radius_true,
        },
        {
          ...certifyFiniteAggregation(e.votes, e.C, e.shifts),
          learners: e.votes.length,
          counts: list(tally(e.votes, e.C)),
          radius_naive: certifyFiniteAggregationNaive(e.votes, e.C, e.d).radius,
          radius_true: e.radius_true === null ? null : trueRadius(adversary),
        },
      )
    })
  }
  section('fa.reference_repo_shifts', entriesOf(vectors.fa?.reference_repo_shifts), ([name, shifts], s) => {
    const [k, d] = numbersIn(name)
    s.entry(name, { shifts }, { shifts: publishedOffsets(k, d) })
  })
}

function trueRunOffRadius(e: z.infer<typeof roeEntry>, reach: number[][]): number | null {
  if (e.radius_true === null) return null
  const rankings = allRankings(e.C)
  const cast = e.ballots.map((ballot) => rankings.findIndex((ranking) => ranking.join() === ballot.join()))
  const predict = (chosen: readonly number[]) =>
    runOffWinner(
      chosen.flatMap((choice) => rankings[choice]),
      e.C,
    )
  return trueRadius({ cast, choices: rankings.length, reach, predict })
}

/** Run-Off Election, on disjoint partitions and with a spread. */
function checkRunOff(vectors: RuleVectors, section: AddSection): void {
  for (const size of ['small', 'large'] as const) {
    section(`roe_dpa.${size}`, vectors.roe_dpa?.[size], (e, s) => {
      const certified = certifyRunOff(e.ballots.flat(), e.C)
      const { prediction, finalist, radius, plurality: leader, first_round, cert_round1, cert_round2 } = e
      const { dpa_radius, radius_true } = e
      s.entry(
        e.id,
        {
          prediction,
          finalist,
          radius,
          plurality: leader,
          first_round,
          cert_round1,
          cert_round2,
          dpa_radius,
          radius_true,
        },
        {
          ...certified,
          plurality: plurality(certified.firstRound),
          first_round: list(certified.firstRound),
          cert_round1: finite(certified.round1),
          cert_round2: finite(certified.round2),
          dpa_radius: certifyTally(certified.firstRound).radius,
          radius_true: trueRunOffRadius(e, disjointReach(e.ballots.length)),
        },
      )
    })
  }
  section(
    'roe_dpa.two_gap_table',
    vectors.roe_dpa?.two_gap_table?.table.map((row, g1) => ({ row, g1 })),
    (e, s) => s.entry(`g1=${e.g1}`, { row: e.row }, { row: e.row.map((_, g2) => fewestForTwoGaps(e.g1, g2)) }),
  )
  for (const size of ['small', 'large'] as const) {
    section(`roe_fa.${size}`, vectors.roe_fa?.[size], (e, s) => {
      const certified = certifyRunOffFinite(e.ballots.flat(), e.C, e.shifts)
      const { prediction, radius, cert_round1, cert_round2, radius_true } = e
      s.entry(
        e.id,
        { learners: e.k * e.d, prediction, radius, cert_round1, cert_round2, radius_true },
        {
          ...certified,
          learners: e.ballots.length,
          cert_round1: finite(certified.round1),
          cert_round2: finite(certified.round2),
          radius_true: trueRunOffRadius(e, spreadReach(e.ballots.length, e.shifts)),
        },
      )
    })
  }
}

/** Encoders of groups, bagging, and the temporal rule. */
function checkOtherRules(vectors: RuleVectors, section: AddSection): void {
  section('shared_encoder_blocks', vectors.shared_encoder_blocks, (e, s) => {
    const certified = certifyEncoderGroups(e.votes, e.C, e.blocks)
    const actual: Record<string, unknown> = { prediction: certified.prediction }
    for (const budget of Object.keys(e.certified)) {
      const [samples, labels] = numbersIn(budget)
      actual[budget] = certified.survives(samples, labels)
    }
    s.entry(e.id, { prediction: e.prediction, ...e.certified }, actual)
  })
  section('bagging', vectors.bagging, (e, s) =>
    s.entry(JSON.stringify(e), { radius: e.radius }, { radius: baggingRadius(e.N, e.s, e.pA, e.pB) }),
  )
  section('temporal', vectors.temporal, (e, s) => {
    const { prediction, earliness, duration } = e
    s.entry(e.id, { prediction, earliness, duration }, { ...certifyTemporal(e.votes, e.C, e.coverage) })
  })
}

/** Metrics of the radii of a data set. */
function checkMetrics(vectors: RuleVectors, section: AddSection): void {
  section('dataset_metrics', vectors.dataset_metrics && [vectors.dataset_metrics], (e, s) => {
    const summary = summarizeRadii(e.radii)
    s.entry(
      'dataset_metrics',
      {
        certified: e.certified_accuracy_at_r,
        median: e.median_radius,
        printed: e.median_as_printed_by_reference_scripts,
        average: e.average_certified_radius,
      },
      {
        certified: summary.certifiedAccuracy,
        median: summary.medianRadius,
        printed: summary.medianAsPrintedByReferenceScripts,
        average: summary.averageCertifiedRadius,
      },
    )
  })
}

function entriesOf<T>(record: Readonly<Record<string, T>> | undefined): [string, T][] | undefined {
  return record === undefined ? undefined : Object.entries(record)
}

function numbersIn(text: string): number[] {
  return (text.match(/\d+/g) ?? []).map(Number)
}
