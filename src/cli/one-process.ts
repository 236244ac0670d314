/** Which commands may be started by a launcher of MPI as several processes. */
import type { Command } from 'commander'
import { launched, ranksUnsupported, type Variables } from '../distributed/launched.ts'

/** Commands that work on several ranks. */
export const rankCommands: readonly string[] = ['pretrain', 'finetune', 'evaluate', 'predict', 'features', 'certify']

/** Commands that say what there is, and the one that starts ranks. */
const anywhere: readonly string[] = ['doctor', 'completion', 'launch']

/**
 * Refuses a launcher for a command that knows no ranks: each process would do all of the work and write the same files. With
 * `--shard` each has its own part.
 *
 * @throws VideoMaeError `RANKS_UNSUPPORTED`
 */
export function refuseRanks(command: Command, variables: Variables = process.env): void {
  const name = command.name()
  if (rankCommands.includes(name) || anywhere.includes(name)) return
  if (command.getOptionValue('shard') !== undefined) return
  const divides = command.options.some(({ long }) => long === '--shard')
  requireOneProcess(name, divides ? 'give each process its part with --shard' : undefined, variables)
}

/**
 * @param otherwise what else to do
 * @throws VideoMaeError `RANKS_UNSUPPORTED`
 */
export function requireOneProcess(
  work: string,
  otherwise = 'set VIDEOMAE_MPI=off where each process has work of its own',
  variables: Variables = process.env,
): void {
  const found = launched(variables)
  if (found !== null) throw ranksUnsupported(work, found.size, otherwise)
}
