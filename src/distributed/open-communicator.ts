import { compiledEntry } from '../core/entry.ts'
import { VideoMaeError } from '../core/errors.ts'
import { type Communicator, selfCommunicator } from './communicator.ts'
import { launched, librariesFor, type MeetingPoint, meetingPoint, refuseHalfSet, type Variables } from './launched.ts'
import type { MpiStart } from './mpi/thread.ts'
import { restrainUcx } from './mpi/ucx.ts'

/** Seconds that ranks wait for each other at the start, unless `VIDEOMAE_MPI_TIMEOUT` says otherwise. */
const defaultTimeout = 300
/** Seconds that one collective call may take, unless `VIDEOMAE_RANK_TIMEOUT` says otherwise: the others may write a checkpoint. */
const defaultCallTimeout = 600

export interface Limits {
  /** How long to wait for the other ranks at the start. */
  readonly timeoutSeconds: number
  /** How long one collective call may take. */
  readonly callSeconds: number
}

/**
 * The ranks that a launcher has started this process as one of; without one a run in one process, for which no library is loaded.
 *
 * @param openNccl connects ranks that were started without MPI
 * @throws VideoMaeError `MPI_UNAVAILABLE`, `MPI_MISMATCH`, `INVALID_ARGUMENT`, and what `openNccl` throws
 */
export async function openCommunicator(
  openNccl: (meeting: MeetingPoint, limits: Limits) => Promise<Communicator>,
  variables: Variables = process.env,
): Promise<Communicator> {
  const found = launched(variables)
  if (found === null) {
    refuseHalfSet(variables)
    return selfCommunicator()
  }
  const limits: Limits = {
    timeoutSeconds: secondsOf(variables, 'VIDEOMAE_MPI_TIMEOUT') ?? defaultTimeout,
    callSeconds: secondsOf(variables, 'VIDEOMAE_RANK_TIMEOUT') ?? defaultCallTimeout,
  }
  if (found.launcher === 'torchrun') return openNccl(meetingPoint(variables), limits)
  // Of the process itself: the library reads them as it loads.
  restrainUcx(process.env)
  const { ThreadCommunicator } = await import('./thread-communicator.ts')
  return ThreadCommunicator.open({
    transport: 'mpi',
    entry: compiledEntry(import.meta.url, './mpi/thread'),
    start: { libraries: librariesFor(found.launcher, variables) } satisfies MpiStart,
    rank: found.rank,
    size: found.size,
    ...limits,
  })
}

function secondsOf(variables: Variables, name: string): number | null {
  const text = variables[name]
  if (text === undefined || text === '') return null
  const seconds = Number(text)
  if (Number.isFinite(seconds) && seconds > 0 && seconds <= 86_400) return seconds
  throw new VideoMaeError(
    `Expected a number of seconds from 0 to 86400 for ${name} but received ${JSON.stringify(text)}.`,
    { code: 'INVALID_ARGUMENT', exit: 'usage' },
  )
}
