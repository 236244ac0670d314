/** Heads on frozen features as a family of base classifiers. */
import { invalidArgument } from '../../../core/errors.ts'
import { RandomStream } from '../../../core/random.ts'
import { ensembles } from '../ensemble.ts'
import { checkFeatureSet, checkTestSet, type FeatureSet, type TestSet } from '../feature-set.ts'
import type { LearnerFamily, PoisonedRow } from '../learners.ts'
import { samplesOf } from '../poison.ts'
import { type HeadOptions, resolveHead } from './list.ts'
import { checkHeadPlan, contentOfRow, headsAtOnce, headVersion, openHeads } from './train.ts'

/**
 * Base classifiers that are heads on features, `ridge` by default. Threads train them.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for options that the head does not have
 */
export function headLearners(options: HeadOptions = { kind: 'ridge' }): LearnerFamily<FeatureSet, TestSet> {
  const head = resolveHead(options)
  return ensembles({
    description: head,
    version: headVersion,
    check(set, test) {
      checkFeatureSet(set)
      checkTestSet(test, set.classNames.length)
      const other = test.perGroup?.find((part) => part.rows !== test.rows || part.width !== test.width)
      if (other !== undefined)
        throw invalidArgument(
          'perGroup',
          `${test.rows} x ${test.width} features each`,
          `${other.rows} x ${other.width}`,
        )
    },
    checkPlan: (set, plan) => checkHeadPlan(head, set, plan),
    contentOf: contentOfRow,
    learnersAtOnce: headsAtOnce,
    open: (layout) => openHeads(head, layout),
    poisoned: poisonedFeatures,
  })
}

/** The features that poisoned rows have. */
export function poisonedFeatures(set: FeatureSet, test: TestSet, rows: readonly PoisonedRow[]): FeatureSet {
  const { width } = set
  const features = new Float32Array(rows.length * width)
  for (const [to, { content }] of rows.entries()) {
    const mine = features.subarray(to * width, (to + 1) * width)
    if (content.kind === 'features') mine.set(content.features)
    if (content.kind === 'input') mine.set(test.features.subarray(content.input * width, (content.input + 1) * width))
    if (!('row' in content)) continue
    mine.set(set.features.subarray(content.row * width, (content.row + 1) * width))
    if (content.kind === 'row') continue
    const stream = new RandomStream(content.seed, 'poison')
    for (let k = 0; k < width; k++) mine[k] += content.size * stream.normal()
  }
  return { ...samplesOf(rows, set), features, width }
}
