/** Which rules certify votes of another program, and what each of them has to know. */
import { invalidArgument, unusedArgument } from '../core/errors.ts'
import type { Ballots } from './rules/ballot.ts'
import type { RuleOptions } from './rules/certify-ballots.ts'
import {
  rules as allRules,
  defaultRules,
  defaultSpreadRules,
  needsGroups,
  needsPeriods,
  needsRankings,
  needsSpread,
  type Rule,
  rulesOfLayout,
} from './rules/list.ts'
import { targetsNamed } from './rules/targeted-summary.ts'

/** The rules for votes of another program, and how its base classifiers were trained. */
export interface VotesRulesOptions {
  /** Default: `dpa`, with `offsets` `fa`; from scores also `roe`, with `offsets` `roe_fa`. */
  readonly rules?: readonly Rule[]
  /**
   * Base classifiers that partition 0 reached, such as [0, 3, 7]; partition j reached these plus j, modulo their number. Required
   * where a partition reached several: a spread is never guessed.
   */
  readonly offsets?: readonly number[]
  /** Number of base classifiers that a partition reached, as a check of `offsets`. */
  readonly spread?: number
  /** Encoder groups, for rule `groups`: base classifiers are split evenly, in order. */
  readonly groups?: number
  /** Periods that each base classifier is trained on, for rule `temporal`. Default 1. */
  readonly coverage?: number
  /** Names of classes for which certificates say what it costs to make them come out; indices where classes have no names. */
  readonly targetClasses?: readonly string[]
}

/**
 * The rules that are asked for; where none is, those that the votes allow: with a spread where a partition reached several base
 * classifiers, and with a run-off where there is more than first choices.
 *
 * A spread is neither guessed nor left out of account: with other offsets than those of the training, one poisoned sample reaches
 * other base classifiers, or more of them, than the rule counts.
 *
 * @param kind what is counted: first choices, or scores of every class
 * @throws VideoMaeError `INVALID_ARGUMENT` for rules that need what votes do not have, and options that no rule uses
 */
export function rulesOfVotes(
  { rules: asked, offsets, spread, groups, coverage }: VotesRulesOptions,
  kind: 'votes' | 'scores',
): readonly Rule[] {
  const reach = offsets?.length ?? spread ?? 1
  const usual = reach > 1 ? defaultSpreadRules : defaultRules
  const rules = asked ?? usual.filter((rule) => kind === 'scores' || !needsRankings(rule))
  const unknown = rules.find((rule) => !allRules.includes(rule))
  if (unknown !== undefined || rules.length === 0)
    throw invalidArgument('rules', `some of ${allRules.join(', ')}`, unknown)
  const ranked = rules.find(needsRankings)
  if (ranked !== undefined && kind === 'votes')
    throw invalidArgument(
      'rules',
      'rules that need only first choices',
      ranked,
      `Rule ${ranked} needs scores of every class: kind "scores".`,
    )
  const disjoint = rules.find((rule) => !needsSpread(rule))
  if (disjoint !== undefined && reach > 1)
    throw invalidArgument(
      'rules',
      `one of ${rulesOfLayout('spread')}, because a partition reached ${reach} base classifiers,`,
      disjoint,
      `${disjoint} counts one vote per poisoned sample.`,
    )
  if (offsets === undefined && rules.some(needsSpread))
    throw invalidArgument(
      'offsets',
      'the base classifiers that partition 0 reached, such as 0,3,7, because rules with a spread need them',
      offsets,
    )
  if (groups !== undefined && !rules.some(needsGroups))
    throw unusedArgument('groups', `without rule ${rulesOfLayout('groups')}`, groups)
  if (coverage !== undefined && !rules.some(needsPeriods))
    throw unusedArgument('coverage', `without rule ${rulesOfLayout('periods')}`, coverage)
  return rules
}

/**
 * What each rule has to know.
 *
 * @param classNames names by which targets are found
 * @throws VideoMaeError `INVALID_ARGUMENT` for offsets that do not fit the base classifiers, and targets that are no class
 */
export function ruleOptionsOfVotes(
  rules: readonly Rule[],
  { offsets, spread, groups, coverage, targetClasses = [] }: VotesRulesOptions,
  { learners }: Pick<Ballots, 'learners'>,
  classNames: readonly string[],
): RuleOptions[] {
  if (offsets !== undefined) checkOffsets(offsets, spread, learners)
  const targets = targetsNamed(targetClasses, classNames)
  return rules.map((rule) => ({
    ...{ rule, offsets },
    ...(needsGroups(rule) && groups !== undefined ? { groups } : {}),
    ...(needsPeriods(rule) ? { coverage: coverage ?? 1 } : {}),
    ...(targets.length > 0 ? { targets } : {}),
  }))
}

function checkOffsets(offsets: readonly number[], spread: number | undefined, learners: number): void {
  const shown = offsets.join(',')
  const isLearner = (offset: number) => Number.isInteger(offset) && offset >= 0 && offset < learners
  if (offsets.length === 0 || new Set(offsets).size !== offsets.length || !offsets.every(isLearner))
    throw invalidArgument('offsets', `different numbers below ${learners}, the number of base classifiers`, shown)
  if (spread !== undefined && spread !== offsets.length)
    throw invalidArgument('spread', `${offsets.length}, the number of offsets,`, spread)
  if (learners % offsets.length !== 0)
    throw invalidArgument('offsets', `a number of offsets that divides ${learners} base classifiers`, shown)
}
