/** The bound on a whole test set for ballots of another system. */
import { unusedArgument } from '../core/errors.ts'
import type { ImportedBallots } from './import-votes.ts'
import { ballotsOfInputs } from './rules/ballot.ts'
import type { RuleOptions } from './rules/certify-ballots.ts'
import { type CollectiveRow, collectiveRows } from './rules/collective.ts'
import { ruleNamed } from './rules/list.ts'
import type { InputCertificate } from './rules/rule.ts'

/**
 * Refuses budgets of a bound that counts right predictions where no true class is known: shares would be of nothing.
 *
 * @param labels [inputs] true classes; null where unknown
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function requireTrueClasses(labels: ImportedBallots['labels'], budgets: readonly number[] | undefined): void {
  if (budgets === undefined || labels?.some((label) => label !== null) === true) return
  throw unusedArgument(
    'collective',
    'with votes that have no true classes, because the bound counts right predictions',
    budgets.join(),
  )
}

/**
 * The bound over the inputs that are known to be predicted right.
 *
 * @param certified [inputs] of these ballots by this rule
 * @param budgets numbers of poisoned samples; undefined: none was asked for
 * @returns undefined where none was asked for, or the rule has no such bound; shares are of the inputs with a known class
 * @throws VideoMaeError `INVALID_ARGUMENT`, `COLLECTIVE_OVERFLOW`; the reason of `signal`
 */
export async function importedCollective(
  { ballots, labels }: ImportedBallots,
  rule: RuleOptions,
  certified: readonly InputCertificate[],
  budgets: readonly number[] | undefined,
  signal?: AbortSignal,
): Promise<CollectiveRow[] | undefined> {
  if (budgets === undefined || ruleNamed(rule.rule).collective === null) return undefined
  requireTrueClasses(labels, budgets)
  const known = certified.flatMap((_, t) => ((labels?.[t] ?? null) === null ? [] : [t]))
  const right = known.filter((t) => certified[t].prediction === labels?.[t])
  const { targets: _, ...layout } = rule
  const radii = right.map((t) => certified[t].radius)
  return collectiveRows(ballotsOfInputs(ballots, right), known.length, budgets, { ...layout, radii, signal })
}
