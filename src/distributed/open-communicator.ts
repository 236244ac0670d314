import { VideoMaeError } from '../core/errors.ts'
import { type Communicator, selfCommunicator } from './communicator.ts'
import { launched, librariesFor, type Variables } from './launched.ts'

/** Seconds that ranks wait for each other at the start, unless `VIDEOMAE_MPI_TIMEOUT` says otherwise. */
const defaultTimeout = 300
/** Seconds that one collective call may take, unless `VIDEOMAE_RANK_TIMEOUT` says otherwise: the others may write a checkpoint. */
const defaultCallTimeout = 600

/**
 * The ranks that a launcher has started this process as one of; without one a run in one process, for which no library is loaded.
 *
 * @throws VideoMaeError `LAUNCHER_UNSUPPORTED`, `MPI_UNAVAILABLE`, `MPI_MISMATCH`, `INVALID_ARGUMENT`
 */
export async function openCommunicator(variables: Variables = process.env): Promise<Communicator> {
  const found = launched(variables)
  if (found === null) return selfCommunicator()
  const { MpiCommunicator } = await import('./mpi/mpi-communicator.ts')
  return MpiCommunicator.open({
    libraries: librariesFor(found.launcher, variables),
    size: found.size,
    timeoutSeconds: secondsOf(variables, 'VIDEOMAE_MPI_TIMEOUT') ?? defaultTimeout,
    callSeconds: secondsOf(variables, 'VIDEOMAE_RANK_TIMEOUT') ?? defaultCallTimeout,
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
