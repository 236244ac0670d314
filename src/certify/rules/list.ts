/** The aggregation rules. What is outside this folder asks a rule for its facts, by its name. */
import { invalidArgument } from '../../core/errors.ts'
import { finiteAggregationExact } from './coverage.ts'
import { dpa } from './dpa.ts'
import { encoderGroups } from './encoder-groups.ts'
import { finiteAggregation } from './finite-aggregation.ts'
import { type Rule, type RunRule, rules, type WhiteBoxRule } from './names.ts'
import type { AggregationRule, InputCertificate } from './rule.ts'
import { runOffElection } from './run-off-election.ts'
import { runOffFinite } from './run-off-finite.ts'
import { temporal } from './temporal.ts'

export {
  defaultRules,
  defaultSpreadRules,
  type Layout,
  partitionRule,
  type Rule,
  type RunRule,
  rules,
  rulesOfLayout,
  spreadRule,
  type WhiteBoxRule,
} from './names.ts'

/** In the order of `names.ts`. */
const list: readonly (AggregationRule & { readonly name: Rule })[] = [
  ...[dpa, finiteAggregation, finiteAggregationExact, runOffElection, runOffFinite, encoderGroups, temporal],
]

/**
 * The plurality of disjoint partitions once more, certified by looking into ridge heads (`label-flip.ts`), so not from ballots
 * alone: nobody asks for it as a rule, but a certification can have a run of it.
 */
const whiteBoxDpa = {
  ...{ ...dpa, name: 'dpa_white_box', title: 'DPA white-box', collective: null, stroke: 'dashed', targeted: null },
} as const satisfies AggregationRule

/** Names of what runs go by. */
export const runRules: readonly RunRule[] = [...list, whiteBoxDpa].map(({ name }) => name)

/** The rule by which the ballots of a run are counted. */
export function ballotRule(rule: RunRule): Rule {
  return rule === whiteBoxDpa.name ? dpa.name : rule
}

/** The rule of a run that looks into ridge heads. */
export const whiteBoxRule: WhiteBoxRule = whiteBoxDpa.name

/** Whether a run is certified by looking into ridge heads, and not from ballots alone. */
export function looksIntoHeads(rule: RunRule): rule is WhiteBoxRule {
  return rule === whiteBoxRule
}

/** @throws VideoMaeError `INVALID_ARGUMENT` for another name */
export function ruleNamed(name: RunRule): AggregationRule {
  const rule = [...list, whiteBoxDpa].find((each) => each.name === name)
  if (rule === undefined) throw invalidArgument('rules', `some of ${rules.join(', ')}`, name)
  return rule
}

/**
 * Whether the rule counts second preferences, so that ballots need all their ranks.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for another name
 */
export function needsRankings(rule: RunRule): boolean {
  return ruleNamed(rule).counts === 'rankings'
}

/**
 * Whether the rule belongs to an ensemble whose buckets reach several learners.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for another name
 */
export function needsSpread(rule: RunRule): boolean {
  return ruleNamed(rule).layout === 'spread'
}

/** Whether the learners of the rule share encoders in groups. */
export function needsGroups(rule: RunRule): boolean {
  return ruleNamed(rule).layout === 'groups'
}

/** Whether the learners of the rule are those of periods of time. */
export function needsPeriods(rule: RunRule): boolean {
  return ruleNamed(rule).layout === 'periods'
}

/** Of how many inputs the radius is exact; null where the rule does not say. For the others it is a lower bound. */
export function exactRadii(rule: RunRule, certificates: readonly InputCertificate[]): number | null {
  if (!ruleNamed(rule).saysExact) return null
  return certificates.filter(({ exact }) => exact === true).length
}
