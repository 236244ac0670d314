/** Figures of a whole test set from its radii. */
import { invalidArgument } from '../../core/errors.ts'

/** Accuracies, certified accuracies and radii over a test set. */
export interface RobustnessSummary {
  /** Number of inputs. */
  readonly inputs: number
  /** Share of inputs predicted right, without any poisoned sample. */
  readonly cleanAccuracy: number
  /** [0..largest radius] share of inputs that are right and certified for at least r poisoned samples. */
  readonly certifiedAccuracy: readonly number[]
  /** Largest r with certified accuracy of at least one half; null when even clean accuracy is below that. */
  readonly medianRadius: number | null
  /**
   * What the published scripts of DPA, Finite Aggregation and Run-Off Election print: the *number* of radii r >= 0 with
   * certified accuracy of at least one half, which is the median radius + 1. For comparing with printed tables only.
   */
  readonly medianAsPrintedByReferenceScripts: number
  /** Mean over all inputs of the radius, a wrong prediction counting 0. */
  readonly averageCertifiedRadius: number
}

/**
 * Accuracies and radii over a test set.
 *
 * @param radii [inputs] certified radius of each right prediction, -1 for a wrong one
 * @throws VideoMaeError `INVALID_ARGUMENT` for a radius that is no integer from -1 up
 *
 * @example
 * ```ts
 * import { summarizeRadii } from 'videomae/certify'
 *
 * // Four inputs; the third prediction is wrong.
 * const { cleanAccuracy, medianRadius } = summarizeRadii([2, 0, -1, 3])
 * cleanAccuracy // => 0.75
 * medianRadius // => 2
 * ```
 */
export function summarizeRadii(radii: ArrayLike<number>): RobustnessSummary {
  const counts = new Map<number, number>()
  for (let i = 0; i < radii.length; i++) {
    const radius = radii[i]
    if (!Number.isInteger(radius) || radius < -1) throw invalidArgument(`radii[${i}]`, 'an integer from -1 up', radius)
    counts.set(radius, (counts.get(radius) ?? 0) + 1)
  }
  return summarizeCounts(counts)
}

/**
 * `summarizeRadii` of counted radii.
 *
 * @param counts how many inputs have each radius; -1 stands for wrong predictions
 */
export function summarizeCounts(counts: ReadonlyMap<number, number>): RobustnessSummary {
  let [inputs, largest, sum] = [0, 0, 0]
  for (const [radius, count] of counts) {
    inputs += count
    largest = Math.max(largest, radius)
    sum += Math.max(0, radius) * count
  }
  if (inputs === 0) throw invalidArgument('radii', 'at least one input', 0)
  const atLeast = new Float64Array(largest + 2)
  for (const [radius, count] of counts) if (radius >= 0) atLeast[radius] += count
  for (let r = largest; r >= 0; r--) atLeast[r] += atLeast[r + 1]
  let halves = 0
  while (halves <= largest && 2 * atLeast[halves] >= inputs) halves++
  return {
    inputs,
    cleanAccuracy: atLeast[0] / inputs,
    certifiedAccuracy: Array.from(atLeast.subarray(0, largest + 1), (count) => count / inputs),
    medianRadius: halves === 0 ? null : halves - 1,
    medianAsPrintedByReferenceScripts: halves,
    averageCertifiedRadius: sum / inputs,
  }
}
