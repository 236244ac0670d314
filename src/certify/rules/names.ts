/** Names of the aggregation rules, which help and completion of a shell show without loading what the rules do. */

/**
 * What the base classifiers of an ensemble are trained on, which decides what a poisoned sample reaches.
 *
 * - `partitions`: disjoint partitions, one for each base classifier
 * - `spread`: buckets that reach several base classifiers each
 * - `groups`: disjoint partitions whose base classifiers share an encoder in groups
 * - `periods`: consecutive periods of time
 */
export type Layout = 'partitions' | 'spread' | 'groups' | 'periods'

/** The layout of each rule, in the order of `list.ts`. */
export const layouts = {
  dpa: 'partitions',
  fa: 'spread',
  fa_exact: 'spread',
  roe: 'partitions',
  roe_fa: 'spread',
  groups: 'groups',
  temporal: 'periods',
} as const satisfies Readonly<Record<string, Layout>>

/** Name of an aggregation rule, such as `dpa` or `roe_fa`. */
export type Rule = keyof typeof layouts

/** Every rule that can be asked for. */
export const rules = Object.keys(layouts) as readonly Rule[]

/** The rules of a layout as help and messages name them: `fa, fa_exact, roe_fa`. */
export function rulesOfLayout(layout: Layout): string {
  return rules.filter((rule) => layouts[rule] === layout).join(', ')
}

/** What a run of a certification goes by: a rule, or `dpa` once more, certified by looking into ridge heads. */
export type RunRule = Rule | WhiteBoxRule

/** `dpa` once more, certified by looking into ridge heads: no rule that can be asked for. */
export type WhiteBoxRule = 'dpa_white_box'

/** The plurality of disjoint partitions: what learning curves are measured with, and what audits attack by default. */
export const partitionRule = 'dpa' as const satisfies Rule

/** The same where a bucket reaches several base classifiers. */
export const spreadRule = 'fa' as const satisfies Rule

/** Both count votes of the same learners. */
export const defaultRules: readonly Rule[] = [partitionRule, 'roe']

/** Both count votes of the same learners, where a bucket reaches several. */
export const defaultSpreadRules: readonly Rule[] = [spreadRule, 'roe_fa']
