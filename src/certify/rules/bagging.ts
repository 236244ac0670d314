import { invalidArgument } from '../../core/errors.ts'

/**
 * Radius of bagging (Jia, Cao & Gong, AAAI 2021, theorem 1) for an ensemble of models that each saw `draws` rows drawn with
 * replacement from `samples`. Probabilistic, unlike everything else here: it holds with the confidence of the bounds.
 *
 * r is certified when (N'/N)^s - 2((N'-r)/N)^s + 1 < pA - pB for every poisoned size N' in N..N+r. The left side is convex
 * in N' up to its minimum and largest either at an end or where its derivative is zero, so three sizes decide.
 *
 * @param lower lower confidence bound of the winner's share of votes
 * @param upper upper confidence bound of the runner-up's share
 * @returns inserted, deleted or changed samples; -1 when not even the unpoisoned vote is certain
 * @throws VideoMaeError `INVALID_ARGUMENT`
 *
 * @example
 * ```ts
 * import { baggingRadius } from 'videomae/certify'
 *
 * // Each model saw 100 of 60,000 samples. At least 80 % of the votes are for the winner, at most 10 % for another class.
 * baggingRadius(60_000, 100, 0.8, 0.1) // => 257
 * ```
 */
export function baggingRadius(samples: number, draws: number, lower: number, upper: number): number {
  for (const [name, count] of Object.entries({ samples, draws }))
    if (!Number.isSafeInteger(count) || count < 1) throw invalidArgument(name, 'a positive integer', count)
  for (const [name, share] of Object.entries({ lower, upper }))
    if (!(share >= 0 && share <= 1)) throw invalidArgument(name, 'a number from 0 to 1', share)
  const margin = lower - upper
  const cost = (size: number, r: number) => (size / samples) ** draws - 2 * ((size - r) / samples) ** draws + 1
  const holds = (r: number): boolean => {
    const sizes = [samples, samples + r]
    if (draws > 1) {
      const stationary = r / (1 - 2 ** (-1 / (draws - 1)))
      for (const size of [Math.floor(stationary), Math.ceil(stationary)])
        if (size > samples && size < samples + r) sizes.push(size)
    }
    return sizes.every((size) => cost(size, r) < margin)
  }
  if (!holds(0)) return -1
  let certified = 0
  let beyond = samples + 1
  while (beyond - certified > 1) {
    const middle = (certified + beyond) >> 1
    if (holds(middle)) certified = middle
    else beyond = middle
  }
  return certified
}
