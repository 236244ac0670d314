/** A family of base classifiers as learner of a lethal-dose study. */
import { RandomStream } from '../../core/random.ts'
import { type BucketKey, checkUnits } from '../ensemble/buckets.ts'
import type { SampleSet, TestInputs } from '../ensemble/feature-set.ts'
import type { LearnerFamily, PoolOptions } from '../ensemble/learners.ts'
import { rowsOfUnits } from '../ensemble/poison.ts'
import { partitionRule } from '../rules/names.ts'
import { checkThreat, type ThreatDeclaration } from '../threat/threat.ts'
import type { DoseLearner } from './lethal-dose.ts'

/** A family of learners, its samples, and the inputs that are predicted. */
export interface DoseLearnerOptions<Set extends SampleSet, Inputs extends TestInputs> extends PoolOptions {
  /** What the learner is called in the report. */
  readonly name: string
  /** Trains the base classifiers. */
  readonly learners: LearnerFamily<Set, Inputs>
  /** Default `content`. */
  readonly by?: BucketKey
  /** What the radii shall be a promise against; without it they only count votes, and the report says so. */
  readonly threat?: ThreatDeclaration
  /** What a reader of its numbers should know, one sentence each. */
  readonly remarks?: readonly string[]
}

/**
 * A learner of a lethal-dose study, from a family of learners and its samples.
 *
 * @param set training set; what one sample is, see `rowsOfUnits`: a video, or a source with `by: 'source'`
 * @throws VideoMaeError what `LearnerFamily.check`, `checkUnits` and `checkThreat` throw
 */
export function doseLearner<Set extends SampleSet, Inputs extends TestInputs>(
  set: Set,
  test: Inputs,
  options: DoseLearnerOptions<Set, Inputs>,
): DoseLearner {
  const { name, learners: family, by = 'content', threat, remarks, ...pool } = options
  family.check(set, test)
  checkUnits(set, { by, buckets: 1 })
  const units = rowsOfUnits(set, by)
  const all = { from: 0, to: test.rows }
  return {
    name,
    samples: units.length,
    labels: test.labels,
    remarks,
    // The radii that are measured are those of DPA.
    ...(threat === undefined ? {} : { threat: checkThreat(set, by, [partitionRule], threat) }),
    async voteOfSubsets(size, subsets, seed) {
      const lists = Array.from({ length: subsets }, (_, subset) => {
        const order = new RandomStream(seed, size, subset, 'subset').permutation(units.length)
        return Array.from(order.subarray(0, size)).flatMap((unit) => units[unit])
      })
      const trained = await family.trainOnRows(set, lists, pool)
      return trained.vote(test, all, { ...pool, keep: 'votes' })
    },
    async voteOfPartitions(partitions) {
      const trained = await family.train(set, { by, learners: partitions, ...pool })
      return trained.vote(test, all, { ...pool, keep: 'votes' })
    },
  }
}
