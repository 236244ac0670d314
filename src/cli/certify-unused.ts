/** Options of `certify` that have no effect together with others. */
import type { Command } from 'commander'
import { unusedArgument } from '../core/errors.ts'
import type { CertifyCommandOptions } from './commands/certify.ts'
import { givenOption } from './given-options.ts'
import { votesOptions } from './options/votes.ts'

/** What `certify --votes` uses besides `votesOptions`. */
const besideVotes: readonly (keyof CertifyCommandOptions)[] = [
  ...(['classes', 'rule', 'spread', 'groups', 'coverage', 'seedsPerPartition', 'perInput', 'require'] as const),
  ...(['target', 'collective', 'out', 'json', 'quiet', 'report'] as const),
]

/**
 * What decides the lists of encoder groups (`--stage groups`). Everything else is about what is certified with their encoders
 * later.
 */
const ofGroupLists: readonly (keyof CertifyCommandOptions)[] = [
  ...(['stage', 'groups', 'rule', 'threat', 'learner', 'by', 'classes', 'test', 'testShare', 'split'] as const),
  ...(['seed', 'trusted', 'labelsUsed', 'out', 'json', 'quiet'] as const),
]

const isOneOf = (names: readonly string[], name: string): boolean => names.includes(name)

/** @throws VideoMaeError `INVALID_ARGUMENT` naming DATA or an option that would be without effect */
export function refuseUnusedInCertify(
  command: Command,
  data: string | undefined,
  { votes, stage }: Pick<CertifyCommandOptions, 'votes' | 'stage'>,
): void {
  if (votes === undefined) {
    const unused = givenOption(command, (name) => Object.hasOwn(votesOptions, name))
    if (unused !== null) throw unusedArgument(unused.flag, 'without --votes', unused.value)
  } else {
    if (data !== undefined) throw unusedArgument('DATA', 'with --votes', data)
    const unused = givenOption(command, (name) => !Object.hasOwn(votesOptions, name) && !isOneOf(besideVotes, name))
    if (unused !== null)
      throw unusedArgument(
        unused.flag,
        'with --votes',
        unused.value,
        'The system that made the file decided how its base classifiers were trained, and so what one poisoned sample is.',
      )
  }
  if (stage !== 'groups') return
  const beside = givenOption(command, (name) => !isOneOf(ofGroupLists, name))
  if (beside !== null)
    throw unusedArgument(
      beside.flag,
      'with --stage groups, which only writes lists of videos',
      beside.value,
      'Give it to the `certify` that names the encoders of the groups.',
    )
}
