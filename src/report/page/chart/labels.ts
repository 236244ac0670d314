/**
 * Centers of labels that do not cover each other, each as near to where it belongs as the others allow.
 *
 * @param wanted where the centers belong, in any order
 * @param apart least distance between two of them
 * @param within bounds; they are passed where there are more labels than fit
 * @returns a center for each, in the order of `wanted`
 */
export function spreadLabels(
  wanted: readonly number[],
  apart: number,
  [low, high]: readonly [low: number, high: number],
): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a] - wanted[b] || a - b)
  const centers = new Array<number>(wanted.length).fill(0)
  // Downward each below the one before, then upward where the last ones have left the bounds.
  let before = low - apart
  for (const i of order) {
    centers[i] = Math.max(wanted[i], before + apart)
    before = centers[i]
  }
  let behind = high + apart
  for (const i of order.toReversed()) {
    centers[i] = Math.min(centers[i], behind - apart)
    behind = centers[i]
  }
  return centers
}
