/** Which ensembles a certification trains, and training shares of them on several machines. */
import path from 'node:path'
import { invalidArgument } from '../core/errors.ts'
import { needsSpread, type Rule } from './certify-ballots.ts'
import type { BucketKey } from './data/buckets.ts'
import type { FeatureSet, TestSet } from './data/feature-set.ts'
import type { HeadOptions } from './heads/head.ts'
import { mergeShards } from './heads/merge.ts'
import type { TrainOptions } from './heads/plan.ts'
import type { PoolOptions } from './heads/pool.ts'
import { trainLearners } from './heads/train.ts'
import { spreadOffsets } from './rules/spread.ts'
import type { ThreatDeclaration } from './threat.ts'

export interface CertifyOptions extends PoolOptions {
  readonly threat: ThreatDeclaration
  readonly by: BucketKey
  /** K, or several to sweep: one poison touches one K-th of the learners. */
  readonly partitions: number | readonly number[]
  /** Default `dpa` and `roe`. */
  readonly rules?: readonly Rule[]
  /** d of Finite Aggregation. Default 4. */
  readonly spread?: number
  /** Encoder groups, for rule `groups`; must divide every K. */
  readonly groups?: number
  /**
   * [groups] the inputs as each group's encoder sees them; needed with encoder trust `per_group`. The training rows must
   * then come from the encoder of their own group: the group of a row is its bucket in `assignBuckets` with
   * `buckets: groups`.
   */
  readonly groupTests?: readonly TestSet[]
  readonly head?: HeadOptions
  /**
   * Also the white-box label-flip certificate of DPA (ridge heads, threat `label_flip` only): larger radii where few
   * partitions keep the accuracy, at some seconds for each hundred inputs.
   */
  readonly whiteBox?: boolean
  /**
   * Budgets of poison for the bound on the whole test set (rules `dpa`, `fa` and `fa_exact`): how many right predictions
   * survive one poisoned training set together. A linear program for each 100 inputs; minutes where K is in the hundreds.
   */
  readonly collective?: readonly number[]
  /** Seed of the spread. Default 0. */
  readonly seed?: number
  /** Folder where trained learners are kept, so that a killed run goes on. */
  readonly directory?: string
  /** Whether the file lists every input. Default true. */
  readonly perInput?: boolean
}

/** One ensemble: all rules that share its learners. */
export interface Ensemble {
  readonly k: number
  readonly d: number
  readonly rules: readonly Rule[]
  readonly train: TrainOptions
}

/** The ensembles of a certification, in the order they are trained. */
export function ensemblesOf(options: CertifyOptions): Ensemble[] {
  const { rules = ['dpa', 'roe'], spread = 4, seed = 0 } = options
  const partitions = typeof options.partitions === 'number' ? [options.partitions] : options.partitions
  return partitions.flatMap((k) =>
    [false, true].flatMap((spreads): Ensemble[] => {
      const mine = rules.filter((rule) => needsSpread(rule) === spreads)
      if (mine.length === 0) return []
      const d = spreads ? spread : 1
      const train: TrainOptions = {
        head: options.head ?? { kind: 'ridge' },
        by: options.by,
        learners: k * d,
        offsets: spreadOffsets(k, d, seed),
        ...(options.groups !== undefined && mine.includes('groups') ? { groups: options.groups } : {}),
        ...(options.directory === undefined ? {} : { directory: path.join(options.directory, `k${k}-d${d}`) }),
        ...threadsOf(options),
      }
      return [{ k, d, rules: mine, train }]
    }),
  )
}

/** The part of the options that concerns threads. */
export function threadsOf(options: CertifyOptions): PoolOptions {
  return {
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
  }
}

/**
 * Trains the i-th of n shares of every ensemble into `directory`, for an array of cluster jobs on one file system. A later
 * `certify` with the same options takes the learners from there and trains only what is missing.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` without `directory`; `STORE_MISMATCH`
 */
export async function trainShare(
  set: FeatureSet,
  options: CertifyOptions,
  shard: { readonly index: number; readonly count: number },
): Promise<void> {
  for (const { train } of ensemblesOf(options)) await trainLearners(set, { ...train, shard })
}

/**
 * Checks that the shares in `directory` are complete and agree.
 *
 * @returns learners found
 * @throws VideoMaeError `SHARDS_INCOMPLETE`, `STORE_MISMATCH`
 */
export async function checkShares(set: FeatureSet, options: CertifyOptions): Promise<number> {
  let learners = 0
  for (const { train } of ensemblesOf(options)) {
    const { directory } = train
    if (directory === undefined) throw invalidArgument('directory', 'the folder of the shares', directory)
    learners += (await mergeShards(set, { ...train, directory })).learners
  }
  return learners
}
