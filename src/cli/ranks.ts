import { packageVersion } from '../core/package-version.ts'
import { goingOn } from '../core/system-error.ts'
import { openCommunicator } from '../distributed/open-communicator.ts'
import { Ranks } from '../distributed/ranks.ts'
import { type CommonOptions, reportError } from './run.ts'
import { tellCode } from './stop-file.ts'

/**
 * Runs a command on all ranks that a launcher has started; in one process as if it were not there.
 *
 * An error that all ranks have is reported by rank 0. One that a rank has alone is reported by that rank, with its host, and ends all:
 * the others would wait for it.
 *
 * @param command its name. Ranks of other commands or versions would call each other in another order, so they are refused at once
 */
export async function onRanks(
  command: string,
  options: CommonOptions,
  action: (ranks: Ranks) => Promise<void>,
): Promise<void> {
  const communicator = await openCommunicator(async (meeting, limits) => {
    const { openNcclCommunicator } = await import('../engine/cuda/ranks/open.ts')
    return openNcclCommunicator(meeting, limits)
  })
  const ranks = await Ranks.meet(communicator).catch(async (error) => {
    await communicator.abort(reportError(error, options))
    throw error
  })
  // Also where MPI has started one process only: its thread keeps the process alive until it is closed.
  if (ranks.size === 1) return action(ranks).finally(() => communicator.close())
  try {
    await ranks.requireSame({ command, version: packageVersion() })
    await action(ranks)
  } catch (error) {
    if (!ranks.isCommon(error)) {
      process.stderr.write(`videomae: ${ranks.name()} failed, so all ranks end:\n`)
      const code = reportError(error, options, goingOn.resume)
      tellCode(code)
      await communicator.abort(code)
    }
    // The others end with 0: a launcher ends all at the first other code, perhaps before rank 0 has said anything.
    if (ranks.rank === 0) process.exitCode = reportError(error, options, goingOn.resume)
  }
  await communicator.close()
}

/** `ranks     2 over Open MPI 4.1.4: rank 0 on node1 (process 17), rank 1 on node2 (process 9); addresses: node1 10.0.0.4, node2 10.0.0.5`. */
export function formatRanks({ communicator, processes, size }: Ranks): string {
  const shown = processes.slice(0, 16).map(({ host, process: id }, rank) => `rank ${rank} on ${host} (process ${id})`)
  const more = size > shown.length ? `, and ${size - shown.length} more` : ''
  const hosts = new Map(processes.slice(0, 16).map(({ host, address }) => [host, address ?? 'none']))
  const addresses = [...hosts].map(([host, address]) => `${host} ${address}`)
  return `ranks     ${size} over ${communicator.library}: ${shown.join(', ')}${more}; addresses: ${addresses.join(', ')}`
}
