/**
 * The strongest attack we know on one input, to see how tight a certificate is in practice: choose the buckets worth most,
 * insert one sample into each (a copy of the input labelled as the rival, its digest searched so that it lands there), train
 * again, look. Theory says it cannot succeed within the radius; nothing says it must succeed beyond.
 */
import { VideoMaeError } from '../core/errors.ts'
import { RandomStream } from '../core/random.ts'
import type { InputCertificate } from './certify-ballots.ts'
import type { FeatureSet } from './data/feature-set.ts'
import { bucketOfDigest, sha256 } from './data/hash.ts'
import { type InsertedRow, insertRows } from './poison.ts'
import { learnersOfBucket } from './rules/spread.ts'

/**
 * Buckets for `count` poisons, greedily by what their learners still have to give.
 *
 * @param votes [learners] first choices
 */
export function chooseBuckets(
  votes: ArrayLike<number>,
  certificate: InputCertificate,
  offsets: readonly number[],
  count: number,
): number[] {
  const learners = votes.length
  const { prediction, rivals } = certificate
  const worth = Int32Array.from(votes, (vote) => (vote === prediction ? 2 : rivals.includes(vote) ? 0 : 1))
  const chosen: number[] = []
  const taken = new Set<number>()
  while (chosen.length < Math.min(count, learners)) {
    let best = -1
    let most = -1
    for (let bucket = 0; bucket < learners; bucket++) {
      if (taken.has(bucket)) continue
      let sum = 0
      for (const offset of offsets) sum += worth[(bucket + offset) % learners]
      if (sum > most) {
        most = sum
        best = bucket
      }
    }
    chosen.push(best)
    taken.add(best)
    for (const learner of learnersOfBucket(best, learners, offsets)) worth[learner] = 0
  }
  return chosen
}

/**
 * The set with one sample in each of these buckets, made to turn `input` to the rivals (in turns where there are two).
 *
 * @param input [width] features of the input under attack
 */
export function attackInput(
  set: FeatureSet,
  input: Float32Array,
  rivals: readonly number[],
  buckets: readonly number[],
  bucketCount: number,
  seed: number,
): FeatureSet {
  const stream = new RandomStream(seed, 'attack')
  const rows = buckets.map((bucket, i): InsertedRow => {
    for (let attempt = 0; attempt < 1000 * bucketCount; attempt++) {
      const digest = sha256(`attack ${stream.uint32()} ${attempt}`)
      if (bucketOfDigest(digest, bucketCount) === bucket)
        return { features: input, label: rivals[i % rivals.length], id: `attack-${digest}`, digest }
    }
    throw new VideoMaeError(`Expected to find content for bucket ${bucket} of ${bucketCount} by search.`, {
      code: 'ATTACK_SEARCH_FAILED',
    })
  })
  return insertRows(set, rows)
}
