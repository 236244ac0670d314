import { rankOnHost } from '../../../distributed/launched.ts'
import { countGpus } from '../driver/open.ts'

/**
 * The GPU of one of several ranks: the ranks of a machine take the GPUs that they see in turn.
 *
 * @throws VideoMaeError `ENGINE_UNAVAILABLE`
 */
export function ownGpu(): number {
  return rankOnHost(process.env) % countGpus()
}
