/**
 * Checks the chain from samples to predictions by breaking it: poison the training set at random, train everything again,
 * and look whether any learner changed that should not have, or any certified prediction.
 */
import { requireCount } from '../../core/counts.ts'
import { invalidArgument, unusedArgument, VideoMaeError } from '../../core/errors.ts'
import { RandomStream } from '../../core/random.ts'
import { certifyInTurns } from '../certify.ts'
import { checkProtected, checkRules } from '../certify-plan.ts'
import { assignBuckets, type BucketKey } from '../ensemble/buckets.ts'
import { digestOfEnsemble } from '../ensemble/digest.ts'
import type { SampleSet, TestInputs } from '../ensemble/feature-set.ts'
import type {
  LearnerDescription,
  LearnerFamily,
  PoisonedRow,
  PoolOptions,
  TrainedEnsemble,
} from '../ensemble/learners.ts'
import type { Periods } from '../ensemble/periods.ts'
import { cleanRows, type PoisonKind, poisonAtRandom, rowsOfUnits, samplesOf } from '../ensemble/poison.ts'
import { votesOfInput } from '../rules/ballot.ts'
import { needsGroups, needsSpread, type Rule } from '../rules/list.ts'
import type { InputCertificate } from '../rules/rule.ts'
import { spreadOffsets } from '../rules/spread.ts'
import { attackRows } from '../threat/attack.ts'
import { hashedReach, type PoisonReach, temporalReach } from '../threat/poison-reach.ts'
import { auditDefaults } from './defaults.ts'

/** The learners, the rule and the attacks of an audit. */
export interface AuditOptions<Set extends SampleSet, Inputs extends TestInputs> extends PoolOptions {
  /** The base classifiers, which are trained again for every attack. */
  readonly learners: LearnerFamily<Set, Inputs>
  /** What decides the bucket of a sample. */
  readonly by: BucketKey
  /** K, at least 1. */
  readonly partitions: number
  /** The rule whose certificates are attacked. */
  readonly rule: Rule
  /** d of Finite Aggregation. Default 4. */
  readonly spread?: number
  /** Encoder groups, for rule `groups`: the family must train an encoder for each. */
  readonly groups?: number
  /** For rule `temporal`. */
  readonly periods?: Periods
  /** DPA*: learners of each partition, see `EnsemblePlan`. Default 1. */
  readonly seeds?: number
  /** Random poisonings. Default 200. */
  readonly trials?: number
  /** Largest number of poisoned samples (of periods, for `temporal`) in one trial; default: the most that is certified. */
  readonly largestBudget?: number
  /** Kinds of poison; default all. */
  readonly kinds?: readonly PoisonKind[]
  /** Inputs attacked on purpose with radius + 1 poisoned samples. Default 20. */
  readonly attacks?: number
  /** Rows of an attacker's video. Default: the most that a video of the set has. */
  readonly attackClips?: number
  /** Of the attacks: a whole number. Default 0. */
  readonly seed?: number
}

export interface AuditViolation {
  readonly trial: number
  readonly kinds: readonly PoisonKind[]
  readonly cost: number
  readonly what: string
}

/** How many certified predictions were attacked, and whether one of them changed. */
export interface AuditReport {
  /** Format and version of the report. */
  readonly schema: 'videomae.audit/1'
  /** The rule whose certificates were attacked. */
  readonly rule: Rule
  /** The base classifier, with every value that its training depends on besides the samples. */
  readonly learner: LearnerDescription
  /** What was trained again in each trial, and what was taken as given. */
  readonly retrained: string
  /** K. */
  readonly partitions: number
  /** d of Finite Aggregation; 1 without. */
  readonly spread: number
  /** Encoder groups; null with one encoder. */
  readonly groups: number | null
  /** DPA*: learners of each partition; 1 without. */
  readonly seeds: number
  /** Learners of the ensemble, K times d. */
  readonly learners: number
  /**
   * SHA-256 over the digests of all clean learners, as in the certificate that the audit is of; null where the audit trains others (rule
   * `groups`).
   */
  readonly learnersDigest: string | null
  /** Inputs that were predicted. */
  readonly inputs: number
  /** Training the same set again, in another file order, gave the same bytes. */
  readonly reproducible: boolean
  /** Random poisonings. */
  readonly trials: number
  /** Poisoned samples of all trials together, in units of the radius (periods for `temporal`), and actions by kind. */
  readonly poisons: number
  /** Poisoned samples of all trials, by kind. */
  readonly actions: Readonly<Record<PoisonKind, number>>
  /** Learners that changed, and the most that theory allowed, summed over trials. */
  readonly changedLearners: number
  /** The most learners that the certificates let the trials change, summed over trials. */
  readonly allowedLearners: number
  /** Predictions checked: certified for the trial's budget. */
  readonly checkedPredictions: number
  /** Certified predictions that changed; a sound certificate has none. */
  readonly violations: readonly AuditViolation[]
  /** Attacks that succeeded with an inserted video in each of radius + 1 buckets or periods (`beyond`) and of radius (`within`). */
  readonly attacks: {
    readonly tried: number
    readonly beyond: number
    readonly within: number
    /** Inputs with a radius above 0: only these can be attacked within it. */
    readonly triedWithin: number
  }
}

/** An audit under way. */
interface Audit<Set extends SampleSet, Inputs extends TestInputs> {
  readonly set: Set
  readonly test: Inputs
  readonly options: AuditOptions<Set, Inputs>
  readonly seed: number
  readonly poisonReach: PoisonReach
  readonly clean: TrainedEnsemble<Inputs>
  /** [inputs] of the clean ensemble. */
  readonly certificates: readonly InputCertificate[]
  readonly train: (rows: readonly PoisonedRow[]) => Promise<TrainedEnsemble<Inputs>>
  readonly certify: (trained: TrainedEnsemble<Inputs>) => Promise<readonly InputCertificate[]>
}

/** Of more classes, what each costs is not audited. */
const mostTargets = 50

/** Learners that a sample reaches. */
export const spreadOf = (rule: Rule, spread = 4): number => (needsSpread(rule) ? spread : 1)

/**
 * How much is tried.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function checkAudit({
  trials = auditDefaults.trials,
  attacks = auditDefaults.attacks,
  largestBudget,
  learners = Number.POSITIVE_INFINITY,
}: Pick<AuditOptions<never, never>, 'trials' | 'attacks' | 'largestBudget'> & {
  readonly learners?: number
}): void {
  requireCount('trials', trials, 'trials', 0)
  requireCount('attacks', attacks, 'attacks', 0)
  if (largestBudget === undefined) return
  requireCount('budget', largestBudget, 'largestBudget')
  if (largestBudget > learners)
    throw invalidArgument(
      'largestBudget',
      `at most the ${learners} base classifiers: no radius is larger`,
      largestBudget,
    )
  if (trials === 0) throw unusedArgument('largestBudget', 'without random poisonings (trials)', largestBudget)
}

/**
 * Attacks a certified ensemble: random poisonings, trained again, and attacks at the certified radius and beyond it.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, `VIDEO_SPLIT`; violations are reported, not thrown (see `assertAudit`)
 */
export async function audit<Set extends SampleSet, Inputs extends TestInputs>(
  set: Set,
  test: Inputs,
  options: AuditOptions<Set, Inputs>,
): Promise<AuditReport> {
  const {
    rule,
    partitions,
    seed = 0,
    trials = auditDefaults.trials,
    attacks = auditDefaults.attacks,
    by,
    groups,
    periods,
    seeds = 1,
  } = options
  checkRules({ rules: [rule], partitions, groups, by, seeds, spread: options.spread })
  options.learners.check(set, test)
  const spread = spreadOf(rule, options.spread)
  const learners = partitions * spread
  checkAudit({ trials, attacks, largestBudget: options.largestBudget, learners })
  const offsets = spreadOffsets(partitions, spread, seed)
  const pool: PoolOptions = { threads: options.threads, signal: options.signal }
  const layout = { periods, ...(needsGroups(rule) ? { groups } : {}) }
  const plan = { ...pool, ...layout, by, learners, seeds, ...(periods === undefined ? { offsets } : {}) }
  checkProtected(set, plan)
  const train = (rows: readonly PoisonedRow[]) =>
    options.learners.train(options.learners.poisoned(set, test, rows), plan)
  const certify = async (trained: TrainedEnsemble<Inputs>, targets: readonly number[] = []) =>
    (await certifyInTurns(trained, test, [rule], { ...pool, ...layout, targets })).byRule.get(rule) ?? []

  const clean = await train(cleanRows(set))
  // Also what each class costs: an input that is not certified for a budget may change, but not to any class.
  const classes = set.classNames.length
  const certificates = await certify(clean, classes <= mostTargets ? Array.from({ length: classes }, (_, c) => c) : [])
  const reordered = poisonAtRandom(set, by, 0, new RandomStream(seed, 'audit', 'order'))
  const reproducible = changed(clean, await train(reordered.rows)).length === 0
  const poisonReach =
    periods === undefined ? hashedReach(by, learners, offsets, layout.groups) : temporalReach(learners, periods)
  const running = { set, test, options, seed, poisonReach, clean, certificates, train, certify }

  const most = options.largestBudget ?? Math.max(1, ...certificates.map(poisonReach.budgetOf))
  const actions = { insert: 0, delete: 0, edit: 0, flip: 0 }
  const violations: AuditViolation[] = []
  let [poisons, changedLearners, allowedLearners, checkedPredictions] = [0, 0, 0, 0]
  for (let trial = 0; trial < trials; trial++) {
    options.signal?.throwIfAborted()
    const outcome = await poisonOnce(running, trial, most)
    for (const kind of outcome.kinds) actions[kind]++
    poisons += outcome.cost
    changedLearners += outcome.changed
    allowedLearners += outcome.allowed
    checkedPredictions += outcome.checked
    violations.push(...outcome.violations)
    options.onProgress?.(trial + 1, trials)
  }
  return {
    schema: 'videomae.audit/1',
    rule,
    learner: options.learners.description,
    retrained: options.learners.retrained ?? 'the base classifiers; an encoder that they share is given',
    partitions,
    spread,
    groups: needsGroups(rule) ? (groups ?? null) : null,
    seeds,
    learners,
    learnersDigest: options.learners.retrained === undefined ? digestOfEnsemble(clean.records) : null,
    inputs: test.rows,
    reproducible,
    trials,
    poisons,
    actions,
    changedLearners,
    allowedLearners,
    checkedPredictions,
    violations,
    attacks: await attackSome(running),
  }
}

/** One random poisoning: everything trained again, every promise looked at. */
async function poisonOnce<Set extends SampleSet, Inputs extends TestInputs>(
  { set, options, seed, poisonReach, clean, certificates, train, certify }: Audit<Set, Inputs>,
  trial: number,
  most: number,
) {
  const stream = new RandomStream(seed, 'audit', trial)
  const { rows, kinds, cost, allowed, holdsFor } = poisonReach.poison(set, most, stream, options.kinds)
  const violations: AuditViolation[] = []
  const report = (what: string) => violations.push({ trial, kinds, cost, what })
  const again = await train(rows)

  const differing = changed(clean, again)
  if (differing.length > allowed)
    report(`${differing.length} base classifiers changed, but at most ${allowed} may change`)
  const touched = touchedLearners(set, samplesOf(rows, set), poisonReach.reach, options)
  const stray = differing.filter((learner) => !touched.has(learner))
  if (stray.length > 0) report(`base classifiers ${stray.join(', ')} changed, but none of their partitions did`)

  let checked = 0
  for (const [t, after] of (await certify(again)).entries()) {
    const before = certificates[t]
    const target = before.targets?.find((each) => each.class === after.prediction)
    if (target !== undefined && (target.poisons === null || target.poisons > cost))
      report(
        `input ${t}: ${after.prediction} came out, which needs ${target.poisons ?? 'more than all'} poisoned samples`,
      )
    if (!holdsFor(before)) continue
    checked++
    if (after.prediction !== before.prediction)
      report(
        `input ${t}: ${before.prediction} became ${after.prediction}, certified for ${poisonReach.budgetOf(before)}`,
      )
  }
  return { kinds, cost, violations, changed: differing.length, allowed, checked }
}

/** Learners whose bytes differ. */
function changed<Inputs extends TestInputs>(a: TrainedEnsemble<Inputs>, b: TrainedEnsemble<Inputs>): number[] {
  return a.records.flatMap((record, i) => (record.sha256 === b.records[i].sha256 ? [] : [record.learner]))
}

/** Learners that hold a bucket (or stand in a group) whose (digest, label) content differs between the two sets. */
function touchedLearners(
  a: SampleSet,
  b: SampleSet,
  reach: PoisonReach['reach'],
  { by, periods }: { readonly by: BucketKey; readonly periods?: Periods },
) {
  const [ofA, ofB] = [a, b].map((set) => {
    const assignment = assignBuckets(set, { by, buckets: reach.length, periods })
    const contents = new Array<string>(reach.length).fill('')
    for (const row of assignment.order) contents[assignment.bucketOf[row]] += `${set.digests[row]} ${set.labels[row]}\n`
    return contents
  })
  return new Set(reach.filter((_, bucket) => ofA[bucket] !== ofB[bucket]).flat())
}

async function attackSome<Set extends SampleSet, Inputs extends TestInputs>({
  set,
  test,
  options,
  seed,
  poisonReach,
  clean,
  certificates,
  train,
  certify,
}: Audit<Set, Inputs>): Promise<AuditReport['attacks']> {
  const { attacks: wanted = auditDefaults.attacks, attackClips = mostClips(set) } = options
  const inputs = Array.from(new RandomStream(seed, 'attacked inputs').permutation(test.rows).subarray(0, wanted))
  const rows = cleanRows(set)
  const { reach } = poisonReach
  const succeeds = async (t: number, poisons: number): Promise<boolean> => {
    const ballots = await clean.vote(test, { from: t, to: t + 1 }, { keep: 'votes', threads: 1 })
    const buckets = poisonReach.choose(votesOfInput(ballots, 0), certificates[t], poisons)
    const { rivals, prediction } = certificates[t]
    const shared = { input: t, prediction, buckets: reach.length, by: options.by, clips: attackClips }
    const clipsOf = (bucket: number, rival: number) =>
      options.learners.attack?.(set, test, { ...shared, bucket, rival }) ??
      new Array<PoisonedRow['content']>(attackClips).fill({ kind: 'input', input: t })
    const attack = attackRows({ buckets, bucketCount: reach.length, rivals, clipsOf, timeOf: poisonReach.timeOf, seed })
    const attacked = await train([...rows, ...attack])
    return (await certify(attacked))[t].prediction !== prediction
  }
  let [beyond, within, triedWithin] = [0, 0, 0]
  for (const t of inputs) {
    options.signal?.throwIfAborted()
    if (await succeeds(t, certificates[t].radius + 1)) beyond++
    if (certificates[t].radius === 0) continue
    triedWithin++
    if (await succeeds(t, certificates[t].radius)) within++
  }
  return { tried: inputs.length, beyond, within, triedWithin }
}

function mostClips(set: SampleSet): number {
  return rowsOfUnits(set, 'id').reduce((most, rows) => Math.max(most, rows.length), 1)
}

/** What decides whether an audit has passed. */
export interface AuditOutcome {
  readonly reproducible: boolean
  readonly violations: readonly Pick<AuditViolation, 'trial' | 'what'>[]
  readonly attacks: Pick<AuditReport['attacks'], 'within'>
}

/**
 * Ends an audit that found a violation with an error.
 *
 * @throws VideoMaeError `AUDIT_FAILED` when anything changed that was not allowed to
 */
export function assertAudit(report: AuditOutcome): void {
  const problems = report.violations.map(({ trial, what }) => `trial ${trial}: ${what}`)
  if (!report.reproducible) problems.unshift('training on the same samples again gave different bytes')
  if (report.attacks.within > 0) problems.push(`${report.attacks.within} attacks within the radius succeeded`)
  if (problems.length === 0) return
  throw new VideoMaeError(
    `Expected an audit without violations, but found ${problems.length}: ${problems.slice(0, 5).join('; ')}.`,
    {
      code: 'AUDIT_FAILED',
      exit: 'checkFailed',
      hint: 'Do not use certificates of this setup; report the case with its seed.',
    },
  )
}
