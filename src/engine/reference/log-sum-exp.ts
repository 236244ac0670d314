/** `log(sum(exp(x)))`; the largest entry is taken out first, so nothing overflows. */
export function logSumExp(x: Float64Array): number {
  let largest = Number.NEGATIVE_INFINITY
  // Not Math.max: a NaN has to come through, and rows may be longer than an argument list.
  for (const value of x) if (value > largest || Number.isNaN(value)) largest = value
  let sum = 0
  for (const value of x) sum += Math.exp(value - largest)
  return largest + Math.log(sum)
}
