/** A point where the forward pass depends on one tensor: the node that makes it, and its size. */
export interface Cut {
  readonly at: number
  readonly size: number
}

/**
 * Chooses the cuts whose tensors are kept, such that all kept tensors and the largest stretch between two of them, which
 * is what the backward pass has in memory at once, are smallest together. Sizes are elements: all of one type, mostly.
 *
 * @param cuts in the order of their nodes
 * @param weights what each forward node would add to the memory, by position of the node
 * @returns positions in `cuts`, ascending
 */
export function keptCuts(cuts: readonly Cut[], weights: readonly number[]): readonly number[] {
  const before = [0]
  for (const weight of weights) before.push(before[before.length - 1] + weight)
  /** Of the nodes behind cut `a` (-1: from the first on) up to cut `b` (`cuts.length`: to the last), less b's tensor. */
  const stretch = (a: number, b: number): number => {
    const from = a < 0 ? 0 : cuts[a].at + 1
    return b === cuts.length
      ? before[weights.length] - before[from]
      : before[cuts[b].at + 1] - before[from] - cuts[b].size
  }
  const limits = new Set<number>()
  for (let a = -1; a < cuts.length; a++) for (let b = a + 1; b <= cuts.length; b++) limits.add(stretch(a, b))
  let best: { readonly total: number; readonly kept: readonly number[] } = { total: Number.POSITIVE_INFINITY, kept: [] }
  for (const limit of limits) {
    const found = fewestKept(cuts, stretch, limit)
    if (found !== null && found.total + limit < best.total) best = { total: found.total + limit, kept: found.kept }
  }
  return best.kept
}

/** The cuts of least total size such that no stretch between them is larger than the limit; null where there are none. */
function fewestKept(
  cuts: readonly Cut[],
  stretch: (a: number, b: number) => number,
  limit: number,
): { readonly total: number; readonly kept: readonly number[] } | null {
  // totals[b]: least size of kept cuts up to and with b; the end counts as a cut of no size.
  const totals: number[] = []
  const previous: number[] = []
  for (let b = 0; b <= cuts.length; b++) {
    totals[b] = Number.POSITIVE_INFINITY
    for (let a = b - 1; a >= -1 && stretch(a, b) <= limit; a--) {
      const total = (a < 0 ? 0 : totals[a]) + (b === cuts.length ? 0 : cuts[b].size)
      if (total < totals[b]) [totals[b], previous[b]] = [total, a]
    }
  }
  if (!Number.isFinite(totals[cuts.length])) return null
  const kept: number[] = []
  for (let cut = previous[cuts.length]; cut >= 0; cut = previous[cut]) kept.unshift(cut)
  return { total: totals[cuts.length], kept }
}
