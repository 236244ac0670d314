/** The bounds on a whole test set: the programs are solved again and verified in integers. */

import type { RuleOptions } from '../rules/certify-ballots.ts'
import { type CollectiveRow, collectiveRows } from '../rules/collective.ts'
import { type RunRule, ruleNamed } from '../rules/list.ts'
import type { Differences } from './differences.ts'
import type { Recount } from './recount.ts'

/** A program of more learners than this is none that `certify` has solved. */
const mostLearners = 100_000

/** What a certificate states about one run. */
export interface StatedBounds {
  readonly collective: readonly CollectiveRow[]
  readonly run: RunRule
  readonly name: string
  /** Where the run is in the file: `runs[0].`. */
  readonly at: string
  /** Inputs that the shares are of. */
  readonly inputs: number
}

/**
 * @param rule of the ballots, with the layout of the ensemble
 * @returns whether bounds were computed; the reason of `signal` is thrown
 */
export async function compareCollective(
  { collective, run, name, at, inputs }: StatedBounds,
  rule: RuleOptions,
  right: NonNullable<Recount['right']>,
  differences: Differences,
  signal?: AbortSignal,
): Promise<boolean> {
  const { ballots, radii } = right
  const field = `${at}collective`
  if (ruleNamed(run).collective === null || ballots.learners > mostLearners) {
    differences.compare(field, collective, null, { run: name })
    return false
  }
  const budgets = collective.map(({ budget }) => budget)
  const { targets: _, ...layout } = rule
  const bounds = await collectiveRows(ballots, inputs, budgets, { ...layout, radii, signal })
  differences.compare(field, collective, bounds, { run: name })
  return true
}
