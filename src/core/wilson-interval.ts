/** Two-sided 95 % quantile of the normal distribution. */
const z = 1.959963984540054

/**
 * The score interval of a share at 95 % (Wilson 1927, equation for p').
 *
 * @param value share of successes, 0 to 1; with groups it need not be a multiple of 1 / trials
 * @param trials independent ones, at least 1; an effective number need not be whole
 */
export function wilsonInterval(
  value: number,
  trials: number,
): {
  readonly value: number
  readonly low: number
  readonly high: number
} {
  const center = (value + (z * z) / (2 * trials)) / (1 + (z * z) / trials)
  const half =
    (z / (1 + (z * z) / trials)) * Math.sqrt((value * (1 - value)) / trials + (z * z) / (4 * trials * trials))
  // At the ends the formula gives the share itself, but for rounding.
  return { value, low: Math.min(value, Math.max(0, center - half)), high: Math.max(value, Math.min(1, center + half)) }
}
