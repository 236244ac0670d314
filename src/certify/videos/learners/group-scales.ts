/**
 * Heads on encoders of groups, with a part of each encoder that is quick to train again: the mean and deviation of its own
 * group's features. One poisoned sample changes it and so may change every head of the group, as it may a pretrained encoder,
 * which no audit can pretrain again hundreds of times.
 */
import { assignBuckets, type BucketKey } from '../../ensemble/buckets.ts'
import { type FeatureSet, selectRows, type TestSet } from '../../ensemble/feature-set.ts'
import type { AttackTarget, LearnerFamily, PoisonedRow, TrainedEnsemble } from '../../ensemble/learners.ts'
import { applyScale, measureScale } from '../scale.ts'

/** Deviations by which an attacker's clips miss the mean of a value that he wants to be small everywhere else. */
const outlying = 1000

/**
 * The family of heads that scale features by what each encoder group has seen alone.
 *
 * @param heads closed form, on pooled features
 */
export function groupScaledHeads(
  heads: LearnerFamily<FeatureSet, TestSet>,
  groups: number,
): LearnerFamily<FeatureSet, TestSet> {
  return {
    ...heads,
    description: { ...heads.description, scale: 'of each group' },
    retrained: 'the heads and the scale of the features of each group; the encoders of the groups are given',
    async train(set, plan) {
      const members = rowsOfGroups(set, plan.by, groups)
      const scales = members.map((rows) => measureScale(selectRows(set, rows)))
      const features = new Float32Array(set.features.length)
      for (const [g, rows] of members.entries()) {
        const scaled = applyScale(selectRows(set, rows), scales[g]).features
        for (const [i, row] of rows.entries())
          features.set(scaled.subarray(i * set.width, (i + 1) * set.width), row * set.width)
      }
      const trained: TrainedEnsemble<TestSet> = await heads.train({ ...set, features }, plan)
      const seen = (test: TestSet): TestSet => ({
        ...test,
        perGroup: scales.map((scale, g) => applyScale(test.perGroup?.[g] ?? test, scale)),
      })
      return { ...trained, vote: (test, range, options) => trained.vote(seen(test), range, options) }
    },
    attack: hideWhatTellsThePrediction,
  }
}

/** [groups] the rows of each, in canonical order: the last bits of a mean depend on it. */
function rowsOfGroups(set: FeatureSet, by: BucketKey, groups: number): Int32Array[] {
  const { order, starts } = assignBuckets(set, { by, buckets: groups })
  return Array.from({ length: groups }, (_, g) => order.subarray(starts[g], starts[g + 1]))
}

/**
 * Clips far out in the values by which the input looks more like its class than like the rival, half of them on either side,
 * and at the mean in all others. The group's deviation of those values grows so much that none of its heads can see them.
 */
function hideWhatTellsThePrediction(
  set: FeatureSet,
  test: TestSet,
  { input, prediction, rival, bucket, buckets, by, clips }: AttackTarget,
): PoisonedRow['content'][] {
  const { width } = set
  const members = rowsOfGroups(set, by, buckets)[bucket]
  const mine = selectRows(set, members)
  const { mean, deviation } = measureScale(mine)
  const seen = (test.perGroup?.[bucket] ?? test).features.subarray(input * width, (input + 1) * width)
  const [right, wrong] = [prediction, rival].map((label) => meanOfClass(mine, label))
  const hidden = Array.from(seen, (value, k) => Math.abs(value - right[k]) < Math.abs(value - wrong[k]))
  return Array.from({ length: clips }, (_, clip) => {
    const side = clip % 2 === 0 ? outlying : -outlying
    return { kind: 'features', features: Float32Array.from(mean, (m, k) => (hidden[k] ? m + side * deviation[k] : m)) }
  })
}

/** [width] zeros where the class has no rows */
function meanOfClass({ features, rows, width, labels }: FeatureSet, label: number): Float64Array {
  const mean = new Float64Array(width)
  const count = Math.max(1, labels.filter((other) => other === label).length)
  for (let row = 0; row < rows; row++)
    if (labels[row] === label) for (let k = 0; k < width; k++) mean[k] += features[row * width + k] / count
  return mean
}
