/** What users call the heads; help and completion of a shell show it without loading what trains them. */

/** In the order of `list.ts`. */
export const headNames = ['ridge', 'nearest_mean', 'linear'] as const

/** What a user calls a head. */
export type HeadName = (typeof headNames)[number]
