/**
 * A share in per cent, as tables show it.
 *
 * @param digits behind the point
 */
export const percent = (share: number, digits = 1): string => (100 * share).toFixed(digits)
