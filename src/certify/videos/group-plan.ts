/** What can be refused before an encoder is pretrained for each group. */
import { invalidArgument, VideoMaeError } from '../../core/errors.ts'
import { fileDigestOf } from '../../dataset/dataset.ts'
import type { RunConfiguration } from '../../train/configuration.ts'
import { type BucketKey, checkUnits } from '../ensemble/buckets.ts'
import type { Rule } from '../rules/list.ts'
import { checkThreat, type EncoderProvenance, type Threat } from '../threat/threat.ts'
import { groupsOf, requireOwnProvenance, trustOfGroups } from './groups.ts'
import { checkLearner, isHeadKind, type LearnerOptions, notGrouped } from './learners/learner-options.ts'
import { videoSetOf } from './learners/video-set.ts'
import { type CertifyVideosOptions, planVideos, requireLabeledRows, requireNoSpread } from './plan.ts'

/** What is to be certified with the encoders. */
export interface GroupClaim {
  readonly groups: number
  readonly by: BucketKey
  readonly threat: Threat
  /** Null where only the lists are wanted: the rule is chosen later. */
  readonly rules: readonly Rule[] | null
}

/**
 * The protected videos and the group of each. Everything that `certifyVideos` would refuse about the videos, the rule or the base
 * learner after the pretraining is refused here: encoders of groups are hours of work.
 *
 * @returns the protected videos, and [videos] the group of each
 * @throws VideoMaeError `LEARNER_NOT_GROUPED`, `THREAT_NOT_CERTIFIED`, `ROWS_WITHOUT_CLASS`, `VIDEO_SPLIT`, `ENCODER_GROUP_EMPTY`,
 *   `INVALID_ARGUMENT`, and what `planVideos` throws
 */
export async function planGroups(
  options: Omit<CertifyVideosOptions, 'from'>,
  { groups, by, threat, rules }: GroupClaim,
) {
  requireOwnProvenance(options)
  const learner: LearnerOptions = options.learner ?? { kind: 'ridge' }
  checkLearner(learner)
  if (!isHeadKind(learner.kind)) throw notGrouped(learner.kind)
  if (rules !== null) requireNoSpread(rules)
  const { split, classes, trusted } = await planVideos(options)
  const videos = split.train
  const set = videoSetOf(videos, classes)
  if (rules !== null) {
    const digests = videos.map(fileDigestOf)
    const scaledOn = (trusted?.videos ?? []).map(fileDigestOf)
    const encoder: EncoderProvenance = {
      digest: '', // there are no weights yet
      trust: trustOfGroups(scaledOn, new Set(digests)),
      labelsUsed: options.labelsUsed === true,
      trainedOn: { manifest: '', samples: digests },
    }
    checkThreat(set, by, rules, { threat, encoder })
  }
  if (threat === 'label_flip') requireLabeledRows(split)
  checkUnits(set, { by, buckets: groups })
  const groupOf = groupsOf(videos, classes, by, groups)
  const empty = Array.from({ length: groups }, (_, group) => group).filter((group) => !groupOf.includes(group))
  if (empty.length > 0) throw emptyGroups(empty, groups, videos.length)
  return { videos, groupOf }
}

/**
 * A recipe for encoders of groups starts from fresh weights. With others, every encoder would also depend on what those were
 * trained on, and be refused after the pretraining (`GROUP_ENCODER_MISMATCH`).
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function requireFreshStart({ model }: Pick<RunConfiguration, 'model'>): void {
  if (model.from !== null)
    throw invalidArgument(
      'model.from',
      'null in a recipe for encoders of groups, which start from fresh weights',
      model.from,
    )
}

function emptyGroups(empty: readonly number[], groups: number, videos: number): VideoMaeError {
  return new VideoMaeError(
    `Expected videos for the encoder of every group, but ${empty.length} of ${groups} groups have none of the ${videos} protected videos; the first is group ${empty[0]}.`,
    { code: 'ENCODER_GROUP_EMPTY', exit: 'data', hint: 'Use fewer --groups, or more videos.' },
  )
}
