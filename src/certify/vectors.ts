/**
 * Checks the rules against a file of test vectors (form: docs/certificate-reference.md). A section this program does not
 * know is a mismatch, never skipped in silence.
 */
import { z } from 'zod'
import { VideoMaeError } from '../core/errors.ts'
import { bucketOfContent, bucketOfPixelSum, sha256 } from './ensemble/hash.ts'
import { baggingRadius } from './rules/bagging.ts'
import { allRankings, disjointReach, spreadReach, trueRadius } from './rules/brute-force.ts'
import { certifyDpa, certifyTally } from './rules/dpa.ts'
import { runOffWinner } from './rules/election.ts'
import { certifyEncoderGroups } from './rules/encoder-groups.ts'
import { certifyFiniteAggregation, certifyFiniteAggregationNaive } from './rules/finite-aggregation.ts'
import { summarizeRadii } from './rules/metrics.ts'
import { plurality, tally } from './rules/plurality.ts'
import { certifyRunOff, fewestForTwoGaps } from './rules/run-off-election.ts'
import { certifyRunOffFinite } from './rules/run-off-finite.ts'
import { publishedOffsets } from './rules/spread.ts'
import { certifyTemporal } from './rules/temporal.ts'

/** How many test vectors of a section were checked, and which failed. */
export interface SectionResult {
  /** Name of the section in the file. */
  readonly name: string
  /** Entries of the section. */
  readonly entries: number
  /** Values that were compared. */
  readonly checks: number
  /** Values that differ, one sentence each. */
  readonly mismatches: readonly string[]
}

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

const vectorsSchema = z.strictObject({
  meta: z.unknown().optional(),
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
  suggested_hash_sha256_first8_big_endian_mod_k: z
    .array(z.object({ utf8: z.string(), sha256: z.string(), first8_be: z.string(), mod: z.record(z.string(), count) }))
    .optional(),
  reference_hash_pixel_sum: z.array(z.object({ pixels: counts, mod: z.record(z.string(), count) })).optional(),
})

class Section {
  readonly name: string
  entries = 0
  checks = 0
  readonly mismatches: string[] = []

  constructor(name: string) {
    this.name = name
  }

  entry(id: string, expected: Readonly<Record<string, unknown>>, actual: Readonly<Record<string, unknown>>): void {
    this.entries++
    for (const key of Object.keys(expected)) {
      this.checks++
      const [want, got] = [JSON.stringify(expected[key]), JSON.stringify(actual[key])]
      if (want !== got) this.mismatches.push(`${id} ${key}: expected ${want}, computed ${got}`)
    }
  }
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)
const list = (values: ArrayLike<number>): number[] => Array.from(values)

/**
 * Recomputes test vectors of another implementation.
 *
 * @param file the parsed JSON
 * @returns one result for each section that the file has
 * @throws VideoMaeError `VECTORS_INVALID` when the file is not of this form
 */
export function checkVectors(file: unknown): SectionResult[] {
  const parsed = vectorsSchema.safeParse(file)
  if (!parsed.success) {
    throw new VideoMaeError(`Expected a file of certificate vectors: ${z.prettifyError(parsed.error)}`, {
      code: 'VECTORS_INVALID',
      exit: 'data',
      hint: 'See docs/certificates.md for the format; unknown sections and missing fields are errors.',
    })
  }
  const vectors = parsed.data
  const sections: Section[] = []
  function section<T>(name: string, entries: readonly T[] | undefined, check: (entry: T, s: Section) => void): void {
    if (entries === undefined) return
    const s = new Section(name)
    for (const entry of entries) check(entry, s)
    if (s.checks === 0) s.mismatches.push('the section contains nothing to check')
    sections.push(s)
  }

  checkDisjoint(vectors, section)
  checkSpread(vectors, section)
  checkRunOff(vectors, section)
  checkOtherRules(vectors, section)
  checkData(vectors, section)
  return sections
}

type Vectors = z.infer<typeof vectorsSchema>
/** Checks all entries of a section; without effect where the file has none. */
type AddSection = <T>(name: string, entries: readonly T[] | undefined, check: (entry: T, s: Section) => void) => void

/** Plurality of disjoint partitions. */
function checkDisjoint(vectors: Vectors, section: AddSection): void {
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
function checkSpread(vectors: Vectors, section: AddSection): void {
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
function checkRunOff(vectors: Vectors, section: AddSection): void {
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
function checkOtherRules(vectors: Vectors, section: AddSection): void {
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

/** Metrics of a data set, and the hashes that assign samples. */
function checkData(vectors: Vectors, section: AddSection): void {
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
  section(
    'suggested_hash_sha256_first8_big_endian_mod_k',
    vectors.suggested_hash_sha256_first8_big_endian_mod_k,
    (e, s) => {
      const mod = Object.fromEntries(Object.keys(e.mod).map((k) => [k, bucketOfContent(e.utf8, Number(k))]))
      const first8 = BigInt(`0x${sha256(e.utf8).slice(0, 16)}`).toString()
      s.entry(
        JSON.stringify(e.utf8),
        { sha256: e.sha256, first8: e.first8_be, mod: e.mod },
        { sha256: sha256(e.utf8), first8, mod },
      )
    },
  )
  section('reference_hash_pixel_sum', vectors.reference_hash_pixel_sum, (e, s) => {
    const mod = Object.fromEntries(Object.keys(e.mod).map((k) => [k, bucketOfPixelSum(e.pixels, Number(k))]))
    s.entry(JSON.stringify(e.pixels), { mod: e.mod }, { mod })
  })
}

function entriesOf<T>(record: Readonly<Record<string, T>> | undefined): [string, T][] | undefined {
  return record === undefined ? undefined : Object.entries(record)
}

function numbersIn(text: string): number[] {
  return (text.match(/\d+/g) ?? []).map(Number)
}
