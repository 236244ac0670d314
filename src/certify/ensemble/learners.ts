/**
 * Base classifiers as the rules see them: something that is trained on buckets of samples, leaves one digest each, and votes.
 * Heads on frozen features (`headLearners`) are one family; learners that need a training engine are in certify/videos. What all families
 * do in the same way is in `ensemble.ts`.
 */
import { learnerCount, requireCount } from '../../core/counts.ts'
import { invalidArgument, VideoMaeError } from '../../core/errors.ts'
import type { Ballots } from '../rules/ballot.ts'
import { checkOffsets } from '../rules/bucket-powers.ts'
import type { InputCertificate } from '../rules/rule.ts'
import type { BucketAssignment, BucketKey } from './buckets.ts'
import type { SampleSet, TestInputs } from './feature-set.ts'
import type { TrainedHeads } from './heads/head.ts'
import { checkPeriods, type Periods } from './periods.ts'

/** How many learners are at work at a time, and how they are stopped and watched. */
export interface PoolOptions {
  /** Learners trained at a time, each on one thread. Default: what the machine offers, at most 16. Results do not depend on it. */
  readonly threads?: number
  /** Stops the work; the call rejects with its reason. */
  readonly signal?: AbortSignal
  /** Called after each finished range of learners. */
  readonly onProgress?: (done: number, total: number) => void
}

/** The i-th of n cluster jobs, i from 0. */
export interface Shard {
  /** From 0. */
  readonly index: number
  /** Number of jobs. */
  readonly count: number
}

/** Which learners an ensemble has, and what decides the samples of each. */
export interface EnsemblePlan extends PoolOptions {
  /** What decides the bucket of a sample. */
  readonly by: BucketKey
  /** Learners: K for disjoint partitions, K times d for Finite Aggregation. As many buckets, but see `periods`. */
  readonly learners: number
  /** [d] spread of Finite Aggregation; default [0], disjoint partitions. */
  readonly offsets?: readonly number[]
  /** Encoder groups, see `BucketOptions`. */
  readonly groups?: number
  /**
   * With `by: 'time'`: learner i is trained on the `coverage` periods i..i + coverage - 1, oldest first, so that there are
   * coverage - 1 periods more than learners.
   */
  readonly periods?: Periods
  /** DPA*: learners trained on each partition from different seeds, whose scores are added up to one ballot. Default 1. */
  readonly seeds?: number
  /** Folder for learners already trained; what is in it and fits this plan is not trained again. */
  readonly directory?: string
  /** Train only this share. Needs `directory`. */
  readonly shard?: Shard
}

/** What is known of every trained learner. */
export interface LearnerRecord {
  /** Its index, from 0. */
  readonly learner: number
  /** Rows that it was trained on. */
  readonly samples: number
  /** SHA-256 of the learner's options, its sample count and its weight bytes (of all seeds). */
  readonly sha256: string
}

/** Weights by name. */
export type LearnerState = ReadonlyMap<string, Float32Array>

export interface TrainedLearner {
  readonly record: LearnerRecord
  /** [seeds] none where there was nothing to learn. */
  readonly states: readonly LearnerState[]
}

/** What is kept of the votes. */
export interface VoteOptions extends PoolOptions {
  /** Ranks kept of each ballot; Run-Off Election needs full `rankings` (default), the others only `votes`. */
  readonly keep?: 'rankings' | 'votes'
}

/** Base classifiers that are trained, with what they were trained on, ready to vote. */
export interface TrainedEnsemble<Inputs extends TestInputs> {
  /** Number of classes. */
  readonly classes: number
  /** Number of ballots that are cast: K times d. */
  readonly learners: number
  /** [d] learners that bucket 0 reaches; bucket b reaches those b further on. */
  readonly offsets: readonly number[]
  /** Which bucket each row is in. */
  readonly assignment: BucketAssignment
  /** [learners], in order; fewer where only a share was trained. */
  readonly records: readonly LearnerRecord[]
  /** Learners found in the plan's `directory` and not trained again. */
  readonly resumed: number
  /** Ballots of all learners on inputs `from`..`to` - 1. */
  vote(inputs: Inputs, range: { readonly from: number; readonly to: number }, options: VoteOptions): Promise<Ballots>
  /** What votes, where the learners are matrices on features: it can be kept and used without the training set. */
  readonly heads?: TrainedHeads
  /** The label-flip certificate that looks inside the learners, where there is one (ridge heads). */
  readonly certifyLabelFlips?: (
    inputs: Inputs,
    options?: PoolOptions & {
      readonly onNote?: (note: string) => void
      readonly onCosts?: (costs: Float32Array) => Promise<void>
    },
  ) => Promise<InputCertificate[]>
}

/** What a certificate records of its base classifier: every value that training depends on besides the samples. */
export interface LearnerDescription {
  /** Name of the kind, such as `ridge`. */
  readonly kind: string
  readonly [option: string]: unknown
}

/** A row of a poisoned training set: content that exists, or is made from it, under any label and name. */
export interface PoisonedRow {
  /** Where the content is from: a row of the clean set, with noise or without, a test input, or features. */
  readonly content:
    | { readonly kind: 'row'; readonly row: number }
    /** The content of `row` plus noise of this size, drawn from `seed`. */
    | { readonly kind: 'noisy'; readonly row: number; readonly size: number; readonly seed: number }
    /** The content of a test input: what an attacker labels wrongly. */
    | { readonly kind: 'input'; readonly input: number }
    /** [width] What an encoder makes of it, for learners that read features. */
    | { readonly kind: 'features'; readonly features: Float32Array }
  /** Index of the class. */
  readonly label: number
  /** Name of the video. */
  readonly id: string
  /** SHA-256 of the content, 64 hex digits. */
  readonly digest: string
  /** Source of the video. */
  readonly group?: string
  /** When the video was collected, in the unit of the set. */
  readonly time?: number
}

/**
 * One kind of base classifier, over one kind of training set and test inputs.
 *
 * What a family must keep for certificates to hold: a learner depends on the samples of its own buckets, in canonical
 * order, on its number and on constants, byte for byte; an empty learner abstains.
 */
export interface LearnerFamily<Set extends SampleSet, Inputs extends TestInputs> {
  /** The base classifier, with every value that its training depends on besides the samples. */
  readonly description: LearnerDescription
  /** @throws VideoMaeError `INVALID_ARGUMENT` or `FEATURES_NOT_FINITE` */
  check(set: Set, inputs: Inputs): void
  /** @throws VideoMaeError `STORE_MISMATCH` when `directory` belongs to another plan; `INVALID_ARGUMENT` */
  train(set: Set, plan: EnsemblePlan): Promise<TrainedEnsemble<Inputs>>
  /**
   * Puts the shares of `plan.directory` together, without training.
   *
   * @throws VideoMaeError `SHARDS_INCOMPLETE` naming the first missing learners; `STORE_MISMATCH`
   */
  merge(set: Set, plan: EnsemblePlan): Promise<TrainedEnsemble<Inputs>>
  /** One learner on each list of rows; lists may overlap. For learning curves, not for certificates. */
  trainOnRows(set: Set, lists: readonly (readonly number[])[], options: PoolOptions): Promise<TrainedEnsemble<Inputs>>
  /**
   * The training set that these rows make, for audits.
   *
   * @throws VideoMaeError `INVALID_ARGUMENT` for content of a kind that these learners do not read
   */
  poisoned(set: Set, inputs: Inputs, rows: readonly PoisonedRow[]): Set
  /** What an audit trains again and what it takes as given, where that is not just the learners on a given encoder. */
  readonly retrained?: string
  /** The clips of one poisoned sample against an input, where more is known than copies of the input under a rival's label. */
  attack?(set: Set, inputs: Inputs, target: AttackTarget): readonly PoisonedRow['content'][]
}

/** What a poisoned sample should do. */
export interface AttackTarget {
  readonly input: number
  readonly prediction: number
  readonly rival: number
  /** The bucket, or encoder group, that the poison will be in, of how many. */
  readonly bucket: number
  readonly buckets: number
  readonly by: BucketKey
  readonly clips: number
}

/** The buckets of a plan, and on which of them learner i is trained: `bucketsOfLearner(i, buckets, offsets)`. */
export function spreadOfPlan({ learners, offsets = [0], periods }: EnsemblePlan) {
  if (periods === undefined) return { buckets: learners, offsets }
  const { coverage } = periods
  const buckets = learners + coverage - 1
  // Offsets 0, -1, -2, ... modulo the buckets. They never go round: the last learner ends with the last bucket.
  return { buckets, offsets: Array.from({ length: coverage }, (_, i) => (buckets - i) % buckets) }
}

/** @throws VideoMaeError `INVALID_ARGUMENT` where the values of a plan do not fit together */
export function checkEnsemblePlan({ learners, offsets, shard, directory, seeds = 1, ...plan }: EnsemblePlan): void {
  requireCount('learners', learners)
  learnerCount(learners, 1, seeds)
  if (offsets !== undefined) checkOffsets(offsets, learners)
  if (plan.periods !== undefined) checkPeriods(plan.periods)
  if ((plan.by === 'time') !== (plan.periods !== undefined))
    throw invalidArgument('periods', 'periods with partitions by time, and only with them', plan.by)
  if (shard !== undefined && (directory === undefined || !(shard.index >= 0 && shard.index < shard.count)))
    throw invalidArgument('shard', 'an index below its count, together with directory', JSON.stringify(shard))
}

/** The learners of a share: neighbors, as evenly as possible. */
export function learnersOfShard(learners: number, { index, count }: Shard): readonly [from: number, to: number] {
  return [Math.floor((index * learners) / count), Math.floor(((index + 1) * learners) / count)]
}

/** @throws VideoMaeError `SHARDS_INCOMPLETE` naming the first learners without a record */
export function requireAll(records: readonly (LearnerRecord | undefined)[], directory: string): LearnerRecord[] {
  const missing = Array.from(records.keys()).filter((learner) => records[learner] === undefined)
  if (missing.length === 0) return records.filter((record) => record !== undefined)
  throw new VideoMaeError(
    `Expected ${records.length} base classifiers in ${directory}, but ${missing.length} are missing: ${missing.slice(0, 8).join(', ')}${missing.length > 8 ? ', ...' : ''}.`,
    {
      code: 'SHARDS_INCOMPLETE',
      exit: 'data',
      hint: 'Run the missing shards again; finished base classifiers are kept.',
    },
  )
}
