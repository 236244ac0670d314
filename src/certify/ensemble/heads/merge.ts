import { VideoMaeError } from '../../../core/errors.ts'
import type { FeatureSet } from '../feature-set.ts'
import { type LearnerRecord, requireAll } from '../learners.ts'
import { planDigest, prepareTraining, type TrainedLearners, type TrainOptions } from './plan.ts'
import { checkPlan, listShards, restoreShard } from './store.ts'

/**
 * Puts the shards of one plan together.
 *
 * @throws VideoMaeError `SHARDS_INCOMPLETE` naming the first missing learners, or `STORE_MISMATCH`
 */
export async function mergeShards(
  set: FeatureSet,
  options: TrainOptions & { readonly directory: string },
): Promise<TrainedLearners> {
  const { job, assignment } = prepareTraining(set, options)
  await checkPlan(options.directory, planDigest(set, job.head, assignment, job.offsets))
  const records = new Array<LearnerRecord | undefined>(job.learners)
  for (const base of await listShards(options.directory)) {
    for (const record of (await restoreShard(base, job)).records) {
      const known = records[record.learner]
      if (known !== undefined && known.sha256 !== record.sha256) {
        throw new VideoMaeError(`Expected one result for learner ${record.learner}, but two shards disagree.`, {
          code: 'STORE_MISMATCH',
          exit: 'data',
          hint: 'Training is deterministic: a machine or a program version differs. Train again in a new folder.',
        })
      }
      records[record.learner] = record
    }
  }
  return {
    head: job.head,
    classes: job.classes,
    width: job.width,
    learners: job.learners,
    offsets: job.offsets,
    assignment,
    weights: job.weights,
    knows: job.knows,
    records: requireAll(records, options.directory),
    resumed: job.learners,
  }
}
