/** What `certifyVideos`, `auditVideos` and `lethalDoseOfVideos` have in common: one options object, split into its parts. */
import path from 'node:path'
import { invalidArgument, unusedArgument } from '../../core/errors.ts'
import type { BucketKey } from '../ensemble/buckets.ts'
import { needsPeriods, type Rule, rulesOfLayout } from '../rules/list.ts'
import type { Threat } from '../threat/threat.ts'
import type { CertifyVideosOptions } from './plan.ts'

/** Work whose progress is reported, in this order. */
export type CertifyStage =
  | 'files read'
  | 'features'
  | 'learners'
  | 'votes of base classifiers'
  | 'certificates'
  | 'poisonings'
  | 'attacks on rows and files'
  | 'flipped labels'

/** Videos, encoders and base classifiers, where results go, and what is told on the way. */
export interface VideoStudyOptions extends Omit<CertifyVideosOptions, 'cache' | 'onDigest' | 'onProgress'> {
  /** Folder of the results. */
  readonly out: string
  /** Folder of the feature store. Default `store` in `out`. */
  readonly cache?: string
  /** Called with the number of items done and the total, by stage. */
  readonly onProgress?: (stage: CertifyStage, done: number, total: number) => void
}

/** Options of a study as the planning of videos takes them. */
export function planOptionsOf(options: VideoStudyOptions, by: BucketKey): CertifyVideosOptions {
  const { onProgress, out, cache = path.join(out, 'store') } = options
  return { ...options, by, cache, onDigest: stage(onProgress, 'files read'), onProgress: stage(onProgress, 'features') }
}

/** The progress of one stage. */
export function stage(
  onProgress: VideoStudyOptions['onProgress'],
  name: CertifyStage,
): ((done: number, total: number) => void) | undefined {
  return onProgress === undefined ? undefined : (done, total) => onProgress(name, done, total)
}

/**
 * How buckets are assigned and what is claimed, where nobody says it: rule `temporal` needs buckets by time.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for rule `temporal` without periods or with other buckets, and for periods without it
 */
export function claimOf(
  rules: readonly Rule[],
  { by, threat, periods }: Pick<CertifyVideosOptions, 'by' | 'periods'> & { readonly threat?: Threat },
): { readonly by: BucketKey; readonly threat: Threat } {
  if (!rules.some(needsPeriods)) {
    if (periods !== undefined) throw unusedArgument('periods', `without rule ${rulesOfLayout('periods')}`, periods)
    return { by: by ?? 'content', threat: threat ?? 'general' }
  }
  if (by !== undefined && by !== 'time')
    throw invalidArgument('by', `"time" with rule ${rulesOfLayout('periods')}, whose partitions are periods`, by)
  if (periods === undefined)
    throw invalidArgument('periods', `a length and an end with rule ${rulesOfLayout('periods')}`, periods)
  return { by: 'time', threat: threat ?? 'temporal' }
}
