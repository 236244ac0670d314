/** Heads on cached features as learners of a lethal-dose study. */
import { RandomStream } from '../core/random.ts'
import { emptyBallots } from './ballot.ts'
import type { BucketKey } from './data/buckets.ts'
import { checkFeatureSet, type FeatureSet, type TestSet } from './data/feature-set.ts'
import type { HeadOptions } from './heads/head.ts'
import { trainOnBuckets } from './heads/plan.ts'
import type { PoolOptions } from './heads/pool.ts'
import { trainLearners, trainPrepared, voteLearners } from './heads/train.ts'
import type { DoseLearner } from './lethal-dose.ts'

export interface FeatureDoseOptions extends PoolOptions {
  readonly name: string
  readonly head?: HeadOptions
  /** Default `content`. */
  readonly by?: BucketKey
}

/**
 * @param set training features; a sample is a video (all rows of one id), or a source with `by: 'source'`
 */
export function featureDoseLearner(set: FeatureSet, test: TestSet, options: FeatureDoseOptions): DoseLearner {
  checkFeatureSet(set)
  const { name, head = { kind: 'ridge' }, by = 'content', ...pool } = options
  const unitOf = by === 'source' ? (set.groups ?? set.ids) : set.ids
  const rowsOf = new Map<string, number[]>()
  for (let row = 0; row < set.rows; row++) {
    const rows = rowsOf.get(unitOf[row])
    if (rows === undefined) rowsOf.set(unitOf[row], [row])
    else rows.push(row)
  }
  const units = [...rowsOf.keys()].sort()
  return {
    name,
    samples: units.length,
    labels: test.labels,
    async voteOfSubsets(size, subsets, seed) {
      const buckets = Array.from({ length: subsets }, (_, subset) => {
        const order = new RandomStream(seed, size, subset, 'subset').permutation(units.length)
        return Array.from(order.subarray(0, size)).flatMap((unit) => rowsOf.get(units[unit]) ?? [])
      })
      const trained = await trainPrepared(trainOnBuckets(set, head, buckets), pool)
      return test.rows === 0
        ? emptyBallots(0, subsets, set.classNames.length, 1)
        : voteLearners(trained, test, { ...pool, keep: 'votes' })
    },
    async voteOfPartitions(partitions) {
      const trained = await trainLearners(set, { head, by, learners: partitions, ...pool })
      return voteLearners(trained, test, { ...pool, keep: 'votes' })
    },
  }
}
