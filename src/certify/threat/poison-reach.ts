/** What a unit of poison reaches under each rule, as an audit needs it: how to spend some, and which promises then hold. */
import type { RandomStream } from '../../core/random.ts'
import type { BucketKey } from '../ensemble/buckets.ts'
import type { SampleSet } from '../ensemble/feature-set.ts'
import { middleOfPeriod, type Periods } from '../ensemble/periods.ts'
import { type Poisoning, type PoisonKind, poisonAtRandom, poisonPeriods } from '../ensemble/poison.ts'
import type { InputCertificate } from '../rules/rule.ts'
import { learnersOfBucket } from '../rules/spread.ts'
import { chooseBuckets, choosePeriods } from './attack.ts'

export interface PoisonReach {
  /** [buckets] learners that poison in a bucket, an encoder group or a period may change. */
  readonly reach: readonly (readonly number[])[]
  /** At most `most` units of poison, or exactly some where they are periods. */
  poison(set: SampleSet, most: number, stream: RandomStream, kinds?: readonly PoisonKind[]): Spent
  /** The most units that a prediction is certified for. */
  budgetOf(certificate: InputCertificate): number
  /** Where `count` units take most from the prediction. */
  choose(votes: ArrayLike<number>, certificate: InputCertificate, count: number): readonly number[]
  /** Where buckets are periods: a time inside each. */
  readonly timeOf?: (bucket: number) => number
}

export interface Spent extends Poisoning {
  /** Learners that may change at most. */
  readonly allowed: number
  holdsFor(certificate: InputCertificate): boolean
}

/**
 * Partitions by hash, disjoint or spread, or groups of them.
 *
 * @param groups where each group of learners has an encoder of its own, which a poisoned sample may change
 */
export function hashedReach(by: BucketKey, learners: number, offsets: readonly number[], groups?: number): PoisonReach {
  const reach =
    groups === undefined
      ? Array.from({ length: learners }, (_, bucket) => learnersOfBucket(bucket, learners, offsets))
      : blocks(learners, groups)
  return {
    reach,
    poison(set, most, stream, kinds) {
      const poisoning = poisonAtRandom(set, by, 1 + stream.integer(most), stream, kinds)
      const allowed = Math.min(learners, poisoning.cost * reach[0].length)
      return { ...poisoning, allowed, holdsFor: ({ radius }) => radius >= poisoning.cost }
    },
    budgetOf: ({ radius }) => radius,
    choose: (votes, certificate, count) => chooseBuckets(votes, certificate, reach, count),
  }
}

/** The learners of each encoder group, neighbors in order. */
function blocks(learners: number, groups: number): number[][] {
  const size = learners / groups
  return Array.from({ length: groups }, (_, g) => Array.from({ length: size }, (_, i) => g * size + i))
}

/** Periods: any number of poisoned samples in neighboring periods; every second stretch reaches up to the newest. */
export function temporalReach(learners: number, periods: Periods): PoisonReach {
  const { coverage } = periods
  const count = learners + coverage - 1
  const reach = Array.from({ length: count }, (_, period) =>
    Array.from({ length: learners }, (_, i) => i).filter((i) => i <= period && period < i + coverage),
  )
  return {
    reach,
    poison(set, most, stream, kinds) {
      const length = 1 + stream.integer(Math.min(most, count))
      const newest = stream.integer(2) === 0
      const from = newest ? count - length : stream.integer(count - length + 1)
      const poisoning = poisonPeriods(set, { periods, count, from, length }, stream, kinds)
      const upToNow = from + length === count
      return {
        ...poisoning,
        allowed: new Set(reach.slice(from, from + length).flat()).size,
        holdsFor: ({ radius, earliness = 0 }) => length <= radius || (upToNow && length <= earliness),
      }
    },
    budgetOf: ({ radius, earliness = 0 }) => Math.max(radius, earliness),
    choose: (votes, certificate, length) => choosePeriods(votes, certificate, reach, length),
    timeOf: (period) => middleOfPeriod(period, periods, count),
  }
}
