/**
 * Checks the chain from samples to predictions by breaking it: poison the training set at random, train everything again,
 * and look whether any learner changed that should not have, or any certified prediction.
 */
import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import { RandomStream } from '../core/random.ts'
import { attackInput, chooseBuckets } from './attack.ts'
import { votesOfInput } from './ballot.ts'
import { certifyInTurns } from './certify.ts'
import { type InputCertificate, needsSpread, type Rule } from './certify-ballots.ts'
import { assignBuckets, type BucketKey } from './data/buckets.ts'
import type { FeatureSet, TestSet } from './data/feature-set.ts'
import type { HeadOptions } from './heads/head.ts'
import type { TrainedLearners } from './heads/plan.ts'
import type { PoolOptions } from './heads/pool.ts'
import { trainLearners, voteLearners } from './heads/train.ts'
import { type PoisonKind, poisonAtRandom } from './poison.ts'
import { learnersOfBucket, spreadOffsets } from './rules/spread.ts'

export interface AuditOptions extends PoolOptions {
  readonly head?: HeadOptions
  readonly by: BucketKey
  readonly partitions: number
  readonly rule: Rule
  /** d of Finite Aggregation. Default 4. */
  readonly spread?: number
  /** Random poisonings. Default 200. */
  readonly trials?: number
  /** Largest number of poisons in one trial; default: the largest certified radius. */
  readonly largestBudget?: number
  /** Kinds of poison; default all. */
  readonly kinds?: readonly PoisonKind[]
  /** Inputs attacked on purpose with radius + 1 poisons. Default 20. */
  readonly attacks?: number
  /** Rows of an attacker's video. Default: the most that a video of the set has. */
  readonly attackClips?: number
  readonly seed?: number
}

export interface AuditViolation {
  readonly trial: number
  readonly kinds: readonly PoisonKind[]
  readonly cost: number
  readonly what: string
}

export interface AuditReport {
  readonly schema: 'videomae.audit/1'
  readonly rule: Rule
  readonly partitions: number
  readonly spread: number
  readonly learners: number
  readonly inputs: number
  /** Training the same set again, in another file order, gave the same bytes. */
  readonly reproducible: boolean
  readonly trials: number
  /** Poisons of all trials together, in units of the radius, and actions by kind. */
  readonly poisons: number
  readonly actions: Readonly<Record<PoisonKind, number>>
  /** Learners that changed, and the most that theory allowed, summed over trials. */
  readonly changedLearners: number
  readonly allowedLearners: number
  /** Predictions checked: certified for the trial's budget. */
  readonly checkedPredictions: number
  readonly violations: readonly AuditViolation[]
  /** Attacks that succeeded with one inserted video in each of radius + 1 buckets (`beyond`) and of radius (`within`). */
  readonly attacks: { readonly tried: number; readonly beyond: number; readonly within: number }
}

/**
 * @throws VideoMaeError `INVALID_ARGUMENT`; violations are reported, not thrown (see `assertAudit`)
 */
export async function audit(set: FeatureSet, test: TestSet, options: AuditOptions): Promise<AuditReport> {
  const { rule, partitions, seed = 0, trials = 200, by } = options
  if (rule === 'groups') throw invalidArgument('rule', 'a rule on one encoder', rule)
  const spread = needsSpread(rule) ? (options.spread ?? 4) : 1
  const learners = partitions * spread
  const offsets = spreadOffsets(partitions, spread, seed)
  const pool: PoolOptions = { threads: options.threads ?? 1, ...(options.signal ? { signal: options.signal } : {}) }
  const train = (data: FeatureSet) =>
    trainLearners(data, { head: options.head ?? { kind: 'ridge' }, by, learners, offsets, ...pool })
  const certifyAll = async (trained: TrainedLearners) =>
    (await certifyInTurns(trained, test, [rule], pool)).byRule.get(rule) ?? []

  const clean = await train(set)
  const certificates = await certifyAll(clean)
  const reordered = poisonAtRandom(set, by, 0, new RandomStream(seed, 'audit', 'order'))
  const reproducible = changed(clean, await train(reordered.set)).length === 0
  const most = options.largestBudget ?? Math.max(1, ...certificates.map(({ radius }) => radius))

  const actions = { insert: 0, delete: 0, edit: 0, flip: 0 }
  const violations: AuditViolation[] = []
  let [poisons, changedLearners, allowedLearners, checkedPredictions] = [0, 0, 0, 0]
  for (let trial = 0; trial < trials; trial++) {
    pool.signal?.throwIfAborted()
    const stream = new RandomStream(seed, 'audit', trial)
    const poisoning = poisonAtRandom(set, by, 1 + stream.integer(most), stream, options.kinds)
    const { kinds, cost } = poisoning
    for (const kind of kinds) actions[kind]++
    poisons += cost
    const again = await train(poisoning.set)
    const report = (what: string) => violations.push({ trial, kinds, cost, what })

    const differing = changed(clean, again)
    const touched = touchedLearners(set, poisoning.set, by, learners, offsets)
    changedLearners += differing.length
    allowedLearners += cost * spread
    if (differing.length > cost * spread) report(`${differing.length} learners changed, at most ${cost * spread} may`)
    const stray = differing.filter((learner) => !touched.has(learner))
    if (stray.length > 0) report(`learners ${stray.join(', ')} changed, none of their buckets did`)

    const predictions = await certifyAll(again)
    for (const [t, before] of certificates.entries()) {
      if (before.radius < cost) continue
      checkedPredictions++
      if (predictions[t].prediction !== before.prediction)
        report(`input ${t}: ${before.prediction} became ${predictions[t].prediction}, certified for ${before.radius}`)
    }
    options.onProgress?.(trial + 1, trials)
  }
  const attacks = await attackSome(set, test, certificates, clean, options, train, certifyAll)
  return {
    schema: 'videomae.audit/1',
    rule,
    partitions,
    spread,
    learners,
    inputs: test.rows,
    reproducible,
    trials,
    poisons,
    actions,
    changedLearners,
    allowedLearners,
    checkedPredictions,
    violations,
    attacks,
  }
}

/** Learners whose bytes differ. */
function changed(a: TrainedLearners, b: TrainedLearners): number[] {
  return a.records.flatMap((record, i) => (record.sha256 === b.records[i].sha256 ? [] : [record.learner]))
}

/** Learners that hold a bucket whose (digest, label) content differs between the two sets. */
function touchedLearners(a: FeatureSet, b: FeatureSet, by: BucketKey, learners: number, offsets: readonly number[]) {
  const [ofA, ofB] = [a, b].map((set) => {
    const assignment = assignBuckets(set, { by, buckets: learners })
    const contents = new Array<string>(learners).fill('')
    for (const row of assignment.order) contents[assignment.bucketOf[row]] += `${set.digests[row]} ${set.labels[row]}\n`
    return contents
  })
  const touched = new Set<number>()
  for (let bucket = 0; bucket < learners; bucket++) {
    if (ofA[bucket] === ofB[bucket]) continue
    for (const learner of learnersOfBucket(bucket, learners, offsets)) touched.add(learner)
  }
  return touched
}

async function attackSome(
  set: FeatureSet,
  test: TestSet,
  certificates: readonly InputCertificate[],
  clean: TrainedLearners,
  options: AuditOptions,
  train: (data: FeatureSet) => Promise<TrainedLearners>,
  certifyAll: (trained: TrainedLearners) => Promise<InputCertificate[]>,
): Promise<AuditReport['attacks']> {
  const { seed = 0, attacks: wanted = 20, attackClips = mostClips(set) } = options
  const inputs = Array.from(new RandomStream(seed, 'attacked inputs').permutation(test.rows).subarray(0, wanted))
  if (inputs.length === 0) return { tried: 0, beyond: 0, within: 0 }
  const ballots = await voteLearners(clean, test, { keep: 'votes', threads: 1 })
  const succeeds = async (t: number, poisons: number): Promise<boolean> => {
    const buckets = chooseBuckets(votesOfInput(ballots, t), certificates[t], clean.offsets, poisons)
    const input = test.features.slice(t * test.width, (t + 1) * test.width)
    const poisoned = attackInput(set, input, {
      buckets,
      bucketCount: clean.learners,
      rivals: certificates[t].rivals,
      clips: attackClips,
      seed,
    })
    return (await certifyAll(await train(poisoned)))[t].prediction !== certificates[t].prediction
  }
  let [beyond, within] = [0, 0]
  for (const t of inputs) {
    if (await succeeds(t, certificates[t].radius + 1)) beyond++
    if (certificates[t].radius > 0 && (await succeeds(t, certificates[t].radius))) within++
  }
  return { tried: inputs.length, beyond, within }
}

function mostClips(set: FeatureSet): number {
  const clips = new Map<string, number>()
  for (const id of set.ids) clips.set(id, (clips.get(id) ?? 0) + 1)
  return Math.max(1, ...clips.values())
}

/** @throws VideoMaeError `AUDIT_FAILED` when anything changed that was not allowed to */
export function assertAudit(report: AuditReport): void {
  const problems = report.violations.map(({ trial, what }) => `trial ${trial}: ${what}`)
  if (!report.reproducible) problems.unshift('training the same samples again gave other bytes')
  if (report.attacks.within > 0) problems.push(`${report.attacks.within} attacks within the radius succeeded`)
  if (problems.length === 0) return
  throw new VideoMaeError(
    `Expected an audit without violations, but found ${problems.length}: ${problems.slice(0, 5).join('; ')}.`,
    {
      code: 'AUDIT_FAILED',
      exit: 'checkFailed',
      hint: 'Do not use the certificates of this set-up; report the case with its seed.',
    },
  )
}
