/** Names of the aggregation rules, which help and completion of a shell show without loading what the rules do. */

/** In the order of `list.ts`. */
export const rules = ['dpa', 'fa', 'fa_exact', 'roe', 'roe_fa', 'groups', 'temporal'] as const

/** Name of an aggregation rule, such as `dpa` or `roe_fa`. */
export type Rule = (typeof rules)[number]

/** What a run of a certification goes by: a rule, or `dpa` once more, certified by looking into ridge heads. */
export type RunRule = Rule | WhiteBoxRule

/** `dpa` once more, certified by looking into ridge heads: no rule that can be asked for. */
export type WhiteBoxRule = 'dpa_white_box'

/** The plurality of disjoint partitions: what learning curves are measured with, and what audits attack by default. */
export const partitionRule = rules[0]

/** The same where a bucket reaches several base classifiers. */
export const spreadRule = rules[1]
