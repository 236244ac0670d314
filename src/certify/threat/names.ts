/** Names of threats, without loading what knows about them. */

/**
 * `label_flip`: labels change, videos stay. `general`: samples are inserted and deleted. `source`: whole sources are.
 * `temporal`: everything in a stretch of time is (Wang & Feizi, NeurIPS 2023).
 */
export const threats = ['label_flip', 'general', 'source', 'temporal'] as const
