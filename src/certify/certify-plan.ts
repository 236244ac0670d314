/** Which ensembles a certification trains, and training shares of them on several machines. */
import path from 'node:path'
import { learnerCount, requireCount, requireFilledLearners } from '../core/counts.ts'
import { invalidArgument, requireDistinct, unusedArgument, VideoMaeError } from '../core/errors.ts'
import { type BucketKey, checkUnits } from './ensemble/buckets.ts'
import type { SampleSet, TestInputs } from './ensemble/feature-set.ts'
import {
  checkEnsemblePlan,
  type EnsemblePlan,
  type LearnerFamily,
  type PoolOptions,
  type Shard,
  spreadOfPlan,
  type TrainedEnsemble,
} from './ensemble/learners.ts'
import type { Periods } from './ensemble/periods.ts'
import type { EnsembleReference } from './files/certificate-file.ts'
import {
  rules as allRules,
  defaultRules,
  needsGroups,
  needsPeriods,
  needsSpread,
  partitionRule,
  type Rule,
  rulesOfLayout,
  spreadRule,
} from './rules/list.ts'
import { spreadOffsets } from './rules/spread.ts'
import type { ThreatDeclaration, ThreatStatement } from './threat/threat.ts'

/** d of Finite Aggregation where nothing else is asked for. */
const defaultSpread = 4

/** The learners, buckets, rules and threat of a certificate. */
export interface CertifyOptions<Set extends SampleSet, Inputs extends TestInputs> extends PoolOptions {
  /** The base classifiers, e.g. `headLearners({ kind: 'ridge' })`. */
  readonly learners: LearnerFamily<Set, Inputs>
  /** What the attacker may do, and the encoder that the certificate rests on. */
  readonly threat: ThreatDeclaration
  /** What decides the bucket of a sample. */
  readonly by: BucketKey
  /** K, or several to sweep: one poisoned sample touches one K-th of the learners. */
  readonly partitions: number | readonly number[]
  /** Default: `defaultRules`. */
  readonly rules?: readonly Rule[]
  /** d of Finite Aggregation. Default 4. */
  readonly spread?: number
  /**
   * Encoder groups, for rule `groups`; must divide every K. With encoder trust `per_group` the inputs need `perGroup`, and
   * every training row must come from the encoder of its own group: its bucket in `assignBuckets` with `buckets: groups`.
   */
  readonly groups?: number
  /** For rule `temporal`, together with `by: 'time'`: the newest K learners vote, each on periods of its own. */
  readonly periods?: Periods
  /**
   * DPA*: several learners of each partition, from different seeds, whose scores are added up to one ballot; for learners
   * that draw random numbers. Default 1.
   */
  readonly seeds?: number
  /**
   * Also the white-box label-flip certificate of DPA (ridge heads, threat `label_flip` only): larger radii where few
   * partitions keep the accuracy, at some seconds for each hundred inputs.
   */
  readonly whiteBox?: boolean
  /**
   * Budgets of poison, in the unit of the radius, for the bound on the whole test set: how many right predictions
   * survive one poisoned training set together. A linear program for each 100 inputs; minutes where K is in the hundreds.
   */
  readonly collective?: readonly number[]
  /** Names of classes for which certificates say what it costs to make them come out. */
  readonly targetClasses?: readonly string[]
  /** Seed of the spread. Default 0. */
  readonly seed?: number
  /** Folder where trained learners are kept, so that a killed run continues. */
  readonly directory?: string
  /** Called after each certificate of an input, counted over all rules of one ensemble. */
  readonly onCertified?: (done: number, total: number) => void
  /** Called with what is worth a warning before hours of work, and with what a long step will need. */
  readonly onNote?: (note: string) => void
  /** Whether the file lists every input. Default true. */
  readonly perInput?: boolean
  /**
   * Keeps the learners of an ensemble for inputs that come later; called once for each ensemble, when its learners are trained.
   * What it returns is in the runs of the ensemble.
   */
  readonly keepEnsemble?: (ensemble: EnsembleToKeep<Inputs>) => Promise<EnsembleReference | null>
  /**
   * Folder of the certificate, where the votes that it follows from are kept for `verifyCertificate`. Default: they are not kept, nor
   * with `perInput` false.
   */
  readonly votesDirectory?: string
  /** Learners that have voted (`onProgress` tells of those that are trained). */
  readonly onVotes?: (done: number, total: number) => void
}

/** A trained ensemble with what its certificates say about it. */
export interface EnsembleToKeep<Inputs extends TestInputs> {
  /** Number of partitions. */
  readonly k: number
  /** Spread of Finite Aggregation; 1 without. */
  readonly d: number
  /** Rules that certify its votes. */
  readonly rules: readonly Rule[]
  /** For example `k50-d1`: tells the ensembles of one certification apart. */
  readonly name: string
  /** The learners. */
  readonly trained: TrainedEnsemble<Inputs>
  /** What its certificates promise. */
  readonly threat: ThreatStatement
  /** SHA-256 of the bucket manifest, 64 hex digits. */
  readonly bucketManifest: string
  /** What makes the ensemble look stronger than it is, one sentence each. */
  readonly warnings: readonly string[]
}

/**
 * What can be refused before a feature is computed.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for an unknown rule, a value that a list has twice, a count out of its bounds, an option that no rule uses, or groups that are missing or do not divide K; `RULES_NOT_COMBINED` for rule `temporal` with what it cannot stand together with
 */
export function checkRules({
  rules = defaultRules,
  partitions,
  groups,
  by,
  whiteBox = false,
  collective,
  spread,
  seeds,
}: Pick<
  CertifyOptions<never, never>,
  'rules' | 'partitions' | 'groups' | 'by' | 'whiteBox' | 'collective' | 'spread' | 'seeds'
>): void {
  const unknown = rules.find((rule) => !allRules.includes(rule))
  if (unknown !== undefined || rules.length === 0)
    throw invalidArgument('rules', `some of ${allRules.join(', ')}`, unknown ?? rules)
  requireDistinct('rules', rules)
  requireDistinct('partitions', [partitions].flat())
  checkCounts({ rules, partitions, groups, collective, spread, seeds })
  if (rules.some(needsPeriods)) {
    const beside = rules.length > 1 ? 'other rules' : groups !== undefined ? 'encoder groups' : whiteBox && 'whiteBox'
    if (beside) throw notCombined(beside)
    if (by !== 'time') throw invalidArgument('by', `"time" with rule ${rulesOfLayout('periods')}`, by)
  } else if (by === 'time')
    throw invalidArgument('rules', `"${rulesOfLayout('periods')}" with partitions by time`, rules.join(', '))
  if (whiteBox && groups !== undefined)
    throw invalidArgument('whiteBox', 'one encoder for all base classifiers, without groups', groups)
  if (groups === undefined) {
    if (rules.some(needsGroups)) throw invalidArgument('groups', 'the number of encoder groups', groups)
    return
  }
  const odd = [partitions].flat().find((k) => k % groups !== 0)
  if (odd !== undefined) throw invalidArgument('partitions', `a multiple of the ${groups} encoder groups`, odd)
}

/** Counts out of their bounds, and those that no rule uses: somebody relies on an option that is given. */
function checkCounts({
  rules,
  partitions,
  groups,
  collective,
  spread,
  seeds = 1,
}: Pick<CertifyOptions<never, never>, 'partitions' | 'groups' | 'collective' | 'spread' | 'seeds'> & {
  readonly rules: readonly Rule[]
}): void {
  const named = rules.join(', ')
  if (spread !== undefined && !rules.some(needsSpread))
    throw unusedArgument('spread', `with rules ${named}, which have no spread`, spread)
  if (spread === 1 && rules.some(needsSpread) && !rules.every(needsSpread))
    throw invalidArgument(
      'spread',
      `2 or more together with rules without a spread (${rules.filter((rule) => !needsSpread(rule)).join(', ')})`,
      spread,
      `With a spread of 1, ${spreadRule} equals ${partitionRule}, and both would write the same files of base classifiers. Certify them in two folders.`,
    )
  const reach = rules.some(needsSpread) ? (spread ?? defaultSpread) : 1
  for (const k of [partitions].flat()) learnerCount(k, reach, seeds)
  if (groups !== undefined) requireCount('groups', groups)
  if (collective === undefined) return
  requireDistinct('collective', collective)
  for (const budget of collective) requireCount('budget', budget, 'collective', 0)
}

function notCombined(beside: string): VideoMaeError {
  return new VideoMaeError(
    `Expected rule ${rulesOfLayout('periods')} alone, but received it together with ${beside}.`,
    {
      code: 'RULES_NOT_COMBINED',
      exit: 'usage',
      hint: 'Its base classifiers belong to periods, not to partitions by hash. Certify the other rule in a separate run.',
    },
  )
}

/** One ensemble: all rules that share its learners. */
export interface Ensemble {
  readonly k: number
  readonly d: number
  readonly rules: readonly Rule[]
  /** For example `k50-d1`: tells the ensembles of one certification apart. */
  readonly name: string
  readonly plan: EnsemblePlan
}

/**
 * The ensembles of a certification, in the order they are trained.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for rules with a spread on encoders of groups
 */
export function ensemblesOf<Set extends SampleSet, Inputs extends TestInputs>(
  options: Omit<CertifyOptions<Set, Inputs>, 'learners' | 'keepEnsemble'>,
): Ensemble[] {
  const { rules = defaultRules, spread = defaultSpread, seed = 0, seeds = 1, periods } = options
  const perGroup = options.threat.encoder.trust === 'per_group'
  return [options.partitions].flat().flatMap((k) =>
    [false, true].flatMap((spreads): Ensemble[] => {
      const mine = rules.filter((rule) => needsSpread(rule) === spreads)
      if (mine.length === 0) return []
      if (spreads && perGroup)
        throw invalidArgument('rules', 'rules on disjoint partitions with encoders of groups', mine.join(', '))
      const d = spreads ? spread : 1
      const covers = periods === undefined ? '' : `-n${periods.coverage}`
      const name = `k${k}-d${d}${covers}${seeds > 1 ? `-s${seeds}` : ''}`
      const plan: EnsemblePlan = {
        ...poolOf(options),
        by: options.by,
        learners: k * d,
        ...(periods === undefined ? { offsets: spreadOffsets(k, d, seed) } : { periods }),
        seeds,
        // Where each group has an encoder of its own, the partitions of every rule are inside the groups.
        ...(mine.some(needsGroups) || perGroup ? { groups: options.groups } : {}),
        ...(options.directory === undefined ? {} : { directory: path.join(options.directory, name) }),
      }
      return [{ k, d, rules: mine, name, plan }]
    }),
  )
}

/**
 * What has to be true of a set before learners of a plan can protect it.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, `VIDEO_SPLIT`
 */
export function checkProtected(set: SampleSet, plan: EnsemblePlan): void {
  checkEnsemblePlan(plan)
  const { by, periods, learners, seeds = 1, offsets = [0] } = plan
  requireFilledLearners(set.rows, learners * seeds, offsets.length * (periods?.coverage ?? 1) * seeds)
  checkUnits(set, { by, periods, buckets: spreadOfPlan(plan).buckets })
}

/** The part of the options that concerns threads. */
export function poolOf({ threads, signal, onProgress }: PoolOptions): PoolOptions {
  return { threads, signal, onProgress }
}

/**
 * Trains the i-th of n shares of every ensemble into `directory`, for an array of cluster jobs on one file system. A later
 * `certify` with the same options takes the learners from there and trains only what is missing.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` without `directory`; `VIDEO_SPLIT`, `STORE_MISMATCH`
 */
export async function trainShare<Set extends SampleSet, Inputs extends TestInputs>(
  set: Set,
  options: CertifyOptions<Set, Inputs>,
  shard: Shard,
): Promise<void> {
  const ensembles = ensemblesOf(options)
  for (const { plan } of ensembles) checkProtected(set, plan)
  for (const { plan } of ensembles) await options.learners.train(set, { ...plan, shard })
}

/**
 * Checks that the shares in `directory` are complete and agree.
 *
 * @returns learners found
 * @throws VideoMaeError `INVALID_ARGUMENT` without `directory`; `SHARDS_INCOMPLETE`, `STORE_MISMATCH`
 */
export async function checkShares<Set extends SampleSet, Inputs extends TestInputs>(
  set: Set,
  options: CertifyOptions<Set, Inputs>,
): Promise<number> {
  let learners = 0
  for (const { plan } of ensemblesOf(options)) learners += (await options.learners.merge(set, plan)).learners
  return learners
}
