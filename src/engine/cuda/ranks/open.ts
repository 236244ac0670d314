import { compiledEntry } from '../../../core/entry.ts'
import type { Communicator } from '../../../distributed/communicator.ts'
import type { MeetingPoint } from '../../../distributed/launched.ts'
import { meet } from '../../../distributed/nccl/meeting.ts'
import { NcclLibrary, ncclUnavailable } from '../../../distributed/nccl/nccl-library.ts'
import type { Limits } from '../../../distributed/open-communicator.ts'
import { ThreadCommunicator } from '../../../distributed/thread-communicator.ts'
import { findNccl } from '../driver/find.ts'
import { ownGpu } from './own-gpu.ts'
import type { NcclStart } from './thread.ts'

/**
 * Connects ranks that torchrun has started: their messages go over NCCL, too, which needs a GPU on each.
 *
 * @throws VideoMaeError `NCCL_UNAVAILABLE`, `ENGINE_UNAVAILABLE`, `RANKS_MISSING`, `PORT_TAKEN`, `COMMUNICATION_FAILED`
 */
export async function openNcclCommunicator(meeting: MeetingPoint, limits: Limits): Promise<Communicator> {
  const found = findNccl()
  let device = 0
  const { id, line } = await meet({
    ...meeting,
    timeoutSeconds: limits.timeoutSeconds,
    prepare: () => {
      if (found === null)
        throw ncclUnavailable(
          'Expected NCCL (libnccl.so.2): torchrun, or a similar program, started the ranks without MPI, and nothing else connects them.',
        )
      device = ownGpu()
      const library = new NcclLibrary(found.path)
      return meeting.rank === 0 ? library.uniqueId() : new Uint8Array()
    },
  })
  const start: NcclStart = { nccl: found?.path ?? '', device, id, rank: meeting.rank, size: meeting.size }
  const entry = compiledEntry(import.meta.url, './thread')
  const { rank, size } = meeting
  return ThreadCommunicator.open({ transport: 'nccl', entry, start, rank, size, line, ...limits })
}
