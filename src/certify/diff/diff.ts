/** Compares two certificates of one setup, before and after a change of the protected data. */
import { VideoMaeError } from '../../core/errors.ts'
import { runName } from '../files/certificate-file.ts'
import { invalidCertificate } from '../verify/read-files.ts'
import type { ReadRun } from '../verify/schema.ts'
import { type ChangedUnit, changedUnits, countUnits, type UnitChange } from './changes.ts'
import { type ClaimDifference, claimDifferences, runKey } from './claims.ts'
import { type Cost, costOf, unitOfRun } from './cost.ts'
import { type InputPair, pairInputs } from './inputs.ts'
import { compareLearners } from './learners.ts'
import { readSide, type Side } from './side.ts'

/** What one of the certificates says of an input. */
export interface InputOutcome {
  /** Name of the class. */
  readonly prediction: string
  /** In units of the certificate. */
  readonly radius: number
}

/** An input of both certificates. */
export interface InputComparison {
  /** Name in the first certificate. */
  readonly id: string
  /** Null where the certificates do not record the contents of their inputs. */
  readonly sha256: string | null
  /** True class, in the second certificate. */
  readonly label: string
  /** What the first certificate says. */
  readonly before: InputOutcome
  /** What the second certificate says. */
  readonly after: InputOutcome
  /** Whether the first certificate is about this change of the data; null where the check was not made. */
  readonly certified: boolean | null
}

/** Something that the claim of the first certificate rules out. */
export interface DiffViolation {
  /** Name of the run. */
  readonly run: string
  /** `learner`: a base classifier changed, and none of its samples did. */
  readonly kind: 'prediction' | 'learner'
  /** Name of the input, or number of the base classifier. */
  readonly what: string
  /** What happened, in one sentence. */
  readonly reason: string
}

/** The comparison for one rule: what the change cost, and what became of each input. */
export interface RunDiff {
  /** Name of the run, such as `DPA+ROE K=50`. */
  readonly run: string
  /** What the changes of the data cost under this rule, in units of its radius; null where it is not known. */
  readonly cost: number | null
  /** Null: the check was made. Otherwise why not. */
  readonly notChecked: string | null
  /** Inputs that were compared. */
  readonly inputs: number
  /** Inputs with another prediction. */
  readonly predictionsChanged: number
  /** Inputs with a larger radius. */
  readonly radiiGained: number
  /** Inputs with a smaller radius. */
  readonly radiiLost: number
  /** Inputs whose radius covers the change; null where the check was not made. */
  readonly certified: number | null
  /** Base classifiers whose weights differ, and those that a changed unit reaches; null where that is not known. */
  readonly learners: { readonly changed: number; readonly reached: number } | null
  /** Every input that was compared, in the order of the first certificate. */
  readonly outcomes: readonly InputComparison[]
}

/** What became of the predictions of a certificate after the protected data changed. */
export interface CertificateDiff {
  /** Format and version of the comparison. */
  readonly schema: 'videomae.certificate-diff/1'
  /** The certificates that were compared. */
  readonly before: string
  /** Path of the second certificate. */
  readonly after: string
  /** Of the first certificate: what its radii promise, and what they count. */
  readonly claim: string
  /** What the radii of the first certificate count. */
  readonly unit: string
  /** Null where a certificate does not record its protected set. */
  readonly protectedSet: {
    readonly before: { readonly samples: number; readonly units: number }
    readonly after: { readonly samples: number; readonly units: number }
    readonly counts: Readonly<Record<UnitChange, number>>
    readonly changes: readonly ChangedUnit[]
  } | null
  /** How inputs were matched, how many are in both certificates, and the names of the others. */
  readonly inputs: {
    readonly matchedBy: 'content' | 'name'
    readonly both: number
    readonly onlyBefore: readonly string[]
    readonly onlyAfter: readonly string[]
  }
  /** What the claim takes as fixed and is not the same. */
  readonly claimDifferences: readonly ClaimDifference[]
  /** One comparison for each rule and K that both certificates have. */
  readonly runs: readonly RunDiff[]
  /** Names of runs that only the first certificate has. */
  readonly runsOnlyBefore: readonly string[]
  /** Names of runs that only the second certificate has. */
  readonly runsOnlyAfter: readonly string[]
  /** What the first certificate rules out and happened; a sound certificate has none. */
  readonly violations: readonly DiffViolation[]
}

/**
 * Compares two certificates: what changed in the protected data, what that costs in units of the radius, which predictions and radii
 * changed, and whether the second certificate contradicts the claim of the first. Reads the files next to the certificates; needs
 * neither data nor encoder. It does not verify that a certificate follows from its votes (`verifyCertificate`).
 *
 * @param before folder or `certificate.json` of the first run
 * @param after the same of the second
 * @returns a report; violations are in it and are not thrown (see `assertDiff`)
 * @throws VideoMaeError `CERTIFICATE_FILE_MISSING`, `CERTIFICATE_INVALID`, `CERTIFICATES_NOT_COMPARABLE`
 * @example
 * ```ts
 * import { assertDiff, diffCertificates } from 'videomae/certify'
 *
 * const diff = await diffCertificates('checkpoints/certify', 'checkpoints/certify')
 * assertDiff(diff)
 * diff.violations // => []
 * ```
 */
export async function diffCertificates(before: string, after: string): Promise<CertificateDiff> {
  const [a, b] = [await readSide(before), await readSide(after)]
  const different = claimDifferences(a.certificate, b.certificate)
  const pairs = pairInputs(a, b)
  const runsAfter = new Map(b.certificate.runs.map((run) => [runKey(run), run]))
  const violations: DiffViolation[] = []
  const runs: RunDiff[] = []
  for (const run of a.certificate.runs) {
    const other = runsAfter.get(runKey(run))
    if (other !== undefined) runs.push(await diffRun({ a, b, run, other, pairs, different }, violations))
  }
  const keysBefore = new Set(a.certificate.runs.map(runKey))
  return {
    schema: 'videomae.certificate-diff/1',
    before: a.file,
    after: b.file,
    claim: a.certificate.threat.claim,
    unit: a.certificate.threat.unit,
    protectedSet: protectedDiff(a, b),
    inputs: {
      matchedBy: pairs.matchedBy,
      both: pairs.pairs.length,
      onlyBefore: pairs.onlyBefore,
      onlyAfter: pairs.onlyAfter,
    },
    claimDifferences: different,
    runs,
    runsOnlyBefore: a.certificate.runs.filter((run) => !runsAfter.has(runKey(run))).map(runName),
    runsOnlyAfter: b.certificate.runs.filter((run) => !keysBefore.has(runKey(run))).map(runName),
    violations,
  }
}

/**
 * Ends a comparison that contradicts a certificate with an error.
 *
 * @throws VideoMaeError `CHANGE_NOT_EXPLAINED` where the second certificate contradicts the claim of the first;
 *   `CERTIFICATES_NOT_COMPARABLE` where no run could be checked
 */
export function assertDiff({ violations, runs, claimDifferences: different }: CertificateDiff): void {
  if (violations.length > 0) {
    const [{ run, what, kind, reason }] = violations
    throw new VideoMaeError(
      `Expected the recorded changes of the data to explain the second certificate, but ${violations.length} ${violations.length === 1 ? 'result contradicts' : 'results contradict'} the claim of the first: ${run}, ${kind === 'learner' ? 'base classifier' : 'input'} ${what}: ${reason}.`,
      {
        code: 'CHANGE_NOT_EXPLAINED',
        exit: 'changeNotExplained',
        hint: 'Something other than the recorded data changed: a video file, the encoder, the machine or the program. Run `videomae verify` on both certificates, then certify both sets again on one machine.',
      },
    )
  }
  const skipped = runs.filter(({ notChecked }) => notChecked !== null)
  if (runs.length > skipped.length) return
  const [first] = different
  throw new VideoMaeError(
    `Expected two certificates of one claim, but no run could be checked: ${skipped[0]?.notChecked ?? 'they have no run in common'}.`,
    {
      code: 'CERTIFICATES_NOT_COMPARABLE',
      exit: 'nothingChecked',
      hint:
        first === undefined
          ? 'Certify both sets with this version and the same options.'
          : 'Certify the second set with the options of the first.',
    },
  )
}

/** What changed, with the units of the run that reads most. */
function protectedDiff(a: Side, b: Side): CertificateDiff['protectedSet'] {
  const [before, after] = [a.protectedSet?.samples, b.protectedSet?.samples]
  if (before === undefined || after === undefined) return null
  const widest = a.certificate.runs.toSorted((x, y) => y.learners - x.learners)[0]
  const unitOf = unitOfRun(widest, a.certificate.buckets.by)
  const changes = changedUnits(before, after, unitOf)
  const count = (kind: UnitChange) => changes.filter(({ change }) => change === kind).length
  return {
    before: { samples: before.length, units: countUnits(before, unitOf) },
    after: { samples: after.length, units: countUnits(after, unitOf) },
    counts: { added: count('added'), removed: count('removed'), label: count('label'), content: count('content') },
    changes,
  }
}

interface RunPair {
  readonly a: Side
  readonly b: Side
  readonly run: ReadRun
  readonly other: ReadRun
  readonly pairs: ReturnType<typeof pairInputs>
  readonly different: readonly ClaimDifference[]
}

async function diffRun(pair: RunPair, violations: DiffViolation[]): Promise<RunDiff> {
  const { a, b, run, other, pairs } = pair
  const name = runName(run)
  const [before, after] = [a.protectedSet?.samples, b.protectedSet?.samples]
  const known = before !== undefined && after !== undefined
  const unitOf = unitOfRun(run, a.certificate.buckets.by)
  const units = known ? changedUnits(before, after, unitOf) : null
  const cost = units === null ? null : costOf(run, a.certificate, units)
  const notChecked = whyNot(pair, cost)
  const outcomes: InputComparison[] = []
  let certified = 0
  const counts = { predictionsChanged: 0, radiiGained: 0, radiiLost: 0 }
  for (const at of pairs.pairs) {
    const found = compareInput(pair, at)
    if (found === null) continue
    const { change, stated } = found
    const covered = notChecked === null && cost !== null ? cost.covers(stated) : null
    if (covered === true) certified++
    const moved = change.before.prediction !== change.after.prediction
    if (moved) counts.predictionsChanged++
    if (change.after.radius > change.before.radius) counts.radiiGained++
    if (change.after.radius < change.before.radius) counts.radiiLost++
    outcomes.push({ ...change, certified: covered })
    if (moved && covered === true)
      violations.push({
        run: name,
        kind: 'prediction',
        what: change.id,
        reason: `certified for ${cost?.units} changed ${cost?.units === 1 ? 'unit' : 'units'} (radius ${change.before.radius}), but the prediction changed from ${change.before.prediction} to ${change.after.prediction}`,
      })
  }
  const learners = units === null ? null : await compareLearners(a, b, { run, other }, units)
  if (notChecked === null)
    for (const learner of learners?.beyond ?? [])
      violations.push({
        run: name,
        kind: 'learner',
        what: String(learner),
        reason: 'its weights changed, but none of its samples did',
      })
  return {
    run: name,
    cost: cost?.units ?? null,
    notChecked,
    inputs: outcomes.length,
    ...counts,
    certified: notChecked === null ? certified : null,
    learners: learners === null ? null : { changed: learners.changed, reached: learners.reached },
    outcomes,
  }
}

function whyNot({ a, b, run, other, pairs, different }: RunPair, cost: Cost | null): string | null {
  if (different.length > 0) return `the claims differ in ${different.map(({ field }) => field).join(', ')}`
  const without = [a, b].find(({ protectedSet }) => protectedSet === null)
  if (without !== undefined) return `${without.file} does not record its protected set`
  if (run.inputs === null || other.inputs === null) return 'a certificate lists no inputs (--no-per-input)'
  if (pairs.matchedBy === 'name') return 'a certificate does not record the contents of its inputs'
  if (pairs.pairs.length === 0) return 'the certificates have no input in common'
  return cost?.outside ?? null
}

function compareInput(
  { a, b, run, other }: RunPair,
  { before, after, sha256 }: InputPair,
): {
  readonly change: Omit<InputComparison, 'certified'>
  readonly stated: NonNullable<ReadRun['inputs']>[number]
} | null {
  const [old, now] = [run.inputs?.[before], other.inputs?.[after]]
  if (old === undefined || now === undefined) return null
  const [namesA, namesB] = [a.certificate.classNames, b.certificate.classNames]
  const change = {
    id: old.id,
    sha256,
    label: namesB[now.label] ?? '',
    before: { prediction: className(a.file, namesA, old.prediction), radius: old.radius },
    after: { prediction: className(b.file, namesB, now.prediction), radius: now.radius },
  }
  return { change, stated: old }
}

function className(file: string, names: readonly string[], index: number): string {
  const name = names[index]
  if (name === undefined) throw invalidCertificate(file, `predictions below ${names.length}`, String(index))
  return name
}
