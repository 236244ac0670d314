import path from 'node:path'
import {
  type CertifiedVideos,
  type CertifyVideosJob,
  certifyVideos,
  certifyVideosShare,
} from '../certify/videos/certify-videos.ts'
import type { Ranks } from '../distributed/ranks.ts'
import { requireSharedFolder } from '../distributed/shared-folder.ts'
import { engineRecord } from '../train/engine-choice.ts'

/**
 * `certifyVideos` on all ranks: each makes its share of the features, then of the base classifiers, as one of several jobs of a cluster
 * does, in folders that all share. Rank 0 puts them together. Collective.
 *
 * @returns null on other ranks than the first
 * @throws VideoMaeError `RANKS_DIFFER`, `FOLDER_NOT_SHARED`, and as `certifyVideos`, on all ranks
 */
export async function certifyOnRanks(ranks: Ranks, job: CertifyVideosJob): Promise<CertifiedVideos | null> {
  if (ranks.size === 1) return certifyVideos(job)
  const { out, cache = path.join(out, 'store'), engine = null, signal } = job
  const record = await ranks.agree(() => engineRecord(engine))
  await ranks.requireSame({ engine: JSON.stringify(record) })
  for (const folder of [out, cache]) await requireSharedFolder(ranks, folder)
  const shard = { index: ranks.rank, count: ranks.size }
  for (const stage of ['features', 'learners'] as const)
    await ranks.workTogether(() => certifyVideosShare(job, { stage, shard }), signal)
  return ranks.workTogether(async () => (ranks.rank > 0 ? null : certifyVideos(job)), signal)
}
