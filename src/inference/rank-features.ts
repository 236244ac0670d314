/** Features that several ranks compute together, each of a part of the videos. */
import { Ranks } from '../distributed/ranks.ts'
import { requireSharedFolder } from '../distributed/shared-folder.ts'
import { entriesDigest } from '../train/pretrain-data.ts'
import type { VideoEntry } from '../video/types.ts'
import type { TokenSource } from './encoder-source.ts'
import type { OpenFeatureSession } from './feature-session.ts'
import { type ComputedFeatures, computePlanned, type FeatureOptions, planFeatures } from './features.ts'

export interface RankFeatureOptions extends Omit<FeatureOptions, 'ranks'> {
  /** Default: this process alone. Not together with `shard`. */
  readonly ranks?: Ranks
}

/**
 * `computeFeatures` on all ranks. Rank r computes the videos r, r + ranks, and so on, into the store, which all ranks share. Collective.
 *
 * @param openSession of a single process, as for `computePlanned`
 * @returns on rank 0 what `computeFeatures` returns for all videos; null elsewhere
 * @throws VideoMaeError `RANKS_DIFFER`, `FOLDER_NOT_SHARED`, and as `computeFeatures`, on all ranks
 */
export async function computeFeaturesOnRanks<Video extends VideoEntry & { readonly digest?: string | null }>(
  source: TokenSource,
  videos: readonly Video[],
  { ranks = Ranks.alone(), ...options }: RankFeatureOptions,
  openSession?: OpenFeatureSession,
): Promise<ComputedFeatures<Video> | null> {
  const plan = await ranks.agree(() => planFeatures(source, options))
  if (ranks.size === 1) return computePlanned(plan, videos, options, openSession)
  const { encoder, run, ...rest } = plan.key
  await ranks.requireSame({
    encoder: String(encoder).slice(0, 12),
    engine: JSON.stringify(run),
    features: JSON.stringify(rest),
    videos: `${videos.length} entries, ${entriesDigest(videos).slice(0, 12)}`,
  })
  await requireSharedFolder(ranks, options.cache)
  const { signal, onProgress } = options
  const total = videos.length
  const share = {
    ...options,
    shard: { index: ranks.rank, count: ranks.size },
    onProgress: (done: number) => onProgress?.(Math.min(total, done * ranks.size), total),
  }
  const own = await ranks.workTogether(() => computePlanned(plan, videos, share), signal)
  const computed = (await ranks.numbers(own.computed)).reduce((sum, each) => sum + each, 0)
  // Everything is in the store by now. Videos that cannot be read are tried again, which gives the list and the order of one process.
  const all = async () => (ranks.rank > 0 ? null : computePlanned(plan, videos, options))
  const found = await ranks.workTogether(all, signal)
  return found === null ? null : { ...found, computed: found.computed + computed }
}
