import { planAugmentation } from '../../inference/augmentation.ts'
import type { VideoFeatureOptions } from './feature-sets.ts'
import type { FeatureSource } from './feature-source.ts'

/**
 * Rows of features of each training video: its clips.
 *
 * @throws VideoMaeError as `planAugmentation`, for clips that the source does not have
 */
export function rowsPerVideo(
  [source]: readonly FeatureSource[],
  { clips = 1, augment }: Pick<VideoFeatureOptions, 'clips' | 'augment'>,
): number {
  if (augment === undefined) return clips
  const { sampling } = source.kind === 'pixels' ? source : source.source
  return planAugmentation(augment, sampling, 1).variants.length
}
