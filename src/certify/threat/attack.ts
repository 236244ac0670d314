/**
 * The strongest attack we know on one input, to see how tight a certificate is in practice: choose the buckets worth most,
 * insert one video into each (copies of the input labeled as the rival, named so that it lands there), train again, look.
 * Theory says it cannot succeed within the radius; nothing says it must succeed beyond.
 */
import { VideoMaeError } from '../../core/errors.ts'
import { RandomStream } from '../../core/random.ts'
import { bucketOfDigest, sha256 } from '../ensemble/hash.ts'
import type { PoisonedRow } from '../ensemble/learners.ts'
import type { InputCertificate } from '../rules/rule.ts'

/**
 * Buckets for `count` poisoned samples, greedily by what their learners still have to give.
 *
 * @param votes [learners] first choices
 * @param reach [buckets] learners that a poisoned sample in each bucket may change: d neighbors, or a whole encoder group
 */
export function chooseBuckets(
  votes: ArrayLike<number>,
  { prediction, rivals }: Against,
  reach: readonly (readonly number[])[],
  count: number,
): number[] {
  const worth = worthOf(votes, { prediction, rivals })
  const chosen: number[] = []
  const taken = new Set<number>()
  while (chosen.length < Math.min(count, reach.length)) {
    let best = -1
    let most = -1
    for (const [bucket, learners] of reach.entries()) {
      if (taken.has(bucket)) continue
      const sum = learners.reduce((total, learner) => total + worth[learner], 0)
      if (sum > most) {
        most = sum
        best = bucket
      }
    }
    chosen.push(best)
    taken.add(best)
    for (const learner of reach[best]) worth[learner] = 0
  }
  return chosen
}

/** The stretch of `length` neighboring periods whose learners have most to give. */
export function choosePeriods(
  votes: ArrayLike<number>,
  against: Against,
  reach: readonly (readonly number[])[],
  length: number,
): number[] {
  const worth = worthOf(votes, against)
  const periods = (from: number) => Array.from({ length: Math.min(length, reach.length) }, (_, i) => from + i)
  const sumOf = (from: number) =>
    [...new Set(periods(from).flatMap((period) => reach[period]))].reduce((sum, learner) => sum + worth[learner], 0)
  const starts = Array.from({ length: reach.length - periods(0).length + 1 }, (_, from) => from)
  return periods(starts.reduce((best, from) => (sumOf(from) > sumOf(best) ? from : best), 0))
}

type Against = Pick<InputCertificate, 'prediction' | 'rivals'>

/** [learners] what capturing each takes off the lead. */
function worthOf(votes: ArrayLike<number>, { prediction, rivals }: Against): Int32Array {
  return Int32Array.from(votes, (vote) => (vote === prediction ? 2 : rivals.includes(vote) ? 0 : 1))
}

export interface AttackPlan {
  /** Buckets (groups, where each has its own encoder) to capture, one poisoned sample each, out of `bucketCount`. */
  readonly buckets: readonly number[]
  readonly bucketCount: number
  /** Labels to push; taken in turns where there are two. */
  readonly rivals: readonly number[]
  /**
   * Clips of the video (a long one is still one poisoned sample), or of the source, that goes into a bucket with a rival's label.
   */
  readonly clipsOf: (bucket: number, rival: number) => readonly PoisonedRow['content'][]
  /** Where buckets are periods: the time that puts a video there. Otherwise its name has to be found. */
  readonly timeOf?: (bucket: number) => number
  readonly seed: number
}

/** One video (or source) for each of these buckets, made to turn an input to the rivals. */
export function attackRows(plan: AttackPlan): PoisonedRow[] {
  const stream = new RandomStream(plan.seed, 'attack')
  return plan.buckets.flatMap((bucket, i): PoisonedRow[] => {
    for (let attempt = 0; attempt < 1000 * plan.bucketCount; attempt++) {
      const name = `attack ${stream.uint32()} ${attempt}`
      // With content buckets the name stands for the content; otherwise it is the id or the source, and is hashed itself.
      if (plan.timeOf === undefined && bucketOfDigest(sha256(name), plan.bucketCount) !== bucket) continue
      const label = plan.rivals[i % plan.rivals.length]
      const named = { label, digest: sha256(name), id: name, group: name, time: plan.timeOf?.(bucket) }
      return plan.clipsOf(bucket, label).map((content) => ({ content, ...named }))
    }
    throw new VideoMaeError(`Expected to find content for partition ${bucket} of ${plan.bucketCount} by search.`, {
      code: 'ATTACK_SEARCH_FAILED',
    })
  })
}
