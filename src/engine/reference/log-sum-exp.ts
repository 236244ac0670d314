/**
 * The largest of some numbers, and the sum of `exp(x - largest)`: nothing overflows, and probabilities `exp(x - largest) / sum` are
 * right for numbers of any size, where `exp(x - logSumExp)` loses what is small next to the largest.
 */
export function sumExponentials(x: Float64Array): { readonly largest: number; readonly sum: number } {
  let largest = Number.NEGATIVE_INFINITY
  // Not Math.max: a NaN has to come through, and rows may be longer than an argument list.
  for (const value of x) if (value > largest || Number.isNaN(value)) largest = value
  let sum = 0
  for (const value of x) sum += Math.exp(value - largest)
  return { largest, sum }
}
