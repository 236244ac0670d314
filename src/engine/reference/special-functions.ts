/**
 * The error function and the normal distribution to float64 accuracy (relative error of a few 1e-16 for erf and, in its
 * own tail, for erfc). Two classical expansions instead of tabulated coefficients: slow, but there is nothing to get wrong.
 */

const twoOverRootPi = 2 / Math.sqrt(Math.PI)

/** `erf(x) = 2/sqrt(pi) exp(-x^2) sum over n of 2^n x^(2n+1) / (1 3 5 ... (2n+1))` (Abramowitz & Stegun 7.1.6). */
function erfSeries(x: number): number {
  let term = x
  let sum = x
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return twoOverRootPi * Math.exp(-x * x) * sum
}

/**
 * `erfc(x) = exp(-x^2)/sqrt(pi) * 1/(x + (1/2)/(x + (2/2)/(x + (3/2)/(x + ...))))` for x > 0 (Abramowitz & Stegun
 * 7.1.14), evaluated from the innermost of 120 terms outwards, which suffices from x = 2 on.
 */
function erfcFraction(x: number): number {
  let tail = x
  for (let n = 120; n >= 1; n--) tail = x + n / 2 / tail
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / tail
}

const split = 2

export function erf(x: number): number {
  if (x > split) return 1 - erfcFraction(x)
  if (x < -split) return erfcFraction(-x) - 1
  return x === 0 ? 0 : erfSeries(x)
}

/** `1 - erf(x)` without cancellation for large x. */
export function erfc(x: number): number {
  return x > split ? erfcFraction(x) : 1 - erf(x)
}

/** Distribution function of the standard normal. */
export function normalDistribution(x: number): number {
  return erfc(-x / Math.SQRT2) / 2
}

/** Density of the standard normal. */
export function normalDensity(x: number): number {
  return Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)
}
