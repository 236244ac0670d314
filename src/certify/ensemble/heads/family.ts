/** Heads on frozen features as a family of base learners. */
import { invalidArgument } from '../../../core/errors.ts'
import { RandomStream } from '../../../core/random.ts'
import { checkFeatureSet, checkTestSet, type FeatureSet, type TestSet } from '../feature-set.ts'
import {
  checkEnsemblePlan,
  type EnsemblePlan,
  type LearnerFamily,
  type PoisonedRow,
  type TrainedEnsemble,
} from '../learners.ts'
import { samplesOf } from '../poison.ts'
import { type HeadOptions, resolveHead } from './head.ts'
import { mergeShards } from './merge.ts'
import { type TrainedLearners, type TrainOptions, trainOnBuckets } from './plan.ts'
import { trainLearners, trainPrepared, voteInGroups, voteLearners } from './train.ts'
import { certifyRidgeLabelFlips, type WhiteBoxOptions } from './white-box.ts'

/** @throws VideoMaeError `INVALID_ARGUMENT` for options that the head does not have */
export function headLearners(head: HeadOptions = { kind: 'ridge' }): LearnerFamily<FeatureSet, TestSet> {
  const description = resolveHead(head)
  const optionsOf = ({ seeds = 1, ...plan }: EnsemblePlan): TrainOptions => {
    checkEnsemblePlan({ ...plan, seeds })
    if (seeds === 1) return { ...plan, head }
    const hint = 'Several seeds (DPA*) need learners that draw random numbers: attentive, full or scratch.'
    throw invalidArgument('seeds', `1, because ${head.kind} heads draw no random numbers`, seeds, hint)
  }
  return {
    description,
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
    train: async (set, plan) => ensembleOf(set, await trainLearners(set, optionsOf(plan))),
    async merge(set, plan) {
      const { directory } = plan
      if (directory === undefined) throw invalidArgument('directory', 'the folder of the shares', directory)
      return ensembleOf(set, await mergeShards(set, { ...optionsOf(plan), directory }))
    },
    trainOnRows: async (set, lists, options) =>
      ensembleOf(set, await trainPrepared(trainOnBuckets(set, head, lists), options)),
    poisoned: poisonedFeatures,
  }
}

function ensembleOf(set: FeatureSet, trained: TrainedLearners): TrainedEnsemble<TestSet> {
  const { head, offsets } = trained
  return {
    ...trained,
    heads: trained,
    vote: (test, { from, to }, options) =>
      test.perGroup === undefined
        ? voteLearners(trained, rowsOf(test, from, to), options)
        : voteInGroups(
            trained,
            test.perGroup.map((part) => rowsOf(part, from, to)),
            options,
          ),
    ...(head.kind === 'ridge' && offsets.length === 1
      ? {
          certifyLabelFlips: (test: TestSet, options?: WhiteBoxOptions) =>
            certifyRidgeLabelFlips(set, trained, test, options),
        }
      : {}),
  }
}

function rowsOf({ features, width, labels }: TestSet, from: number, to: number): TestSet {
  return {
    features: features.subarray(from * width, to * width),
    rows: to - from,
    width,
    labels: labels.subarray(from, to),
  }
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
