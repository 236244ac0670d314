/** A share between 0 and 1 for people: `62.5 %`. */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`
