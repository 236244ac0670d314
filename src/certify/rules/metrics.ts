/** Figures of a whole test set from its radii. */
import { invalidArgument } from '../../core/errors.ts'
import { percent } from '../../core/percent.ts'
import { wilsonInterval } from '../../core/wilson-interval.ts'

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

/** Radii whose certified accuracy a table shows: 0, 1 and round ones, at most six, up to the largest there is. */
export function tabledRadii(largest: number): number[] {
  const round = [2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000].filter((r) => r <= largest)
  const first = [0, 1].filter((r) => r <= Math.max(1, largest))
  return [...first, ...(round.length <= 4 ? round : round.slice(-4))]
}

/** What is right without looking at an input: always answering the class that most inputs have. */
export interface ConstantAnswer {
  /** Index of the class; of classes with equally many inputs the first. */
  readonly class: number
  /** Share of inputs that have it. */
  readonly accuracy: number
}

/**
 * The best constant answer to inputs with these true classes.
 *
 * @param labels class of each input, at least one
 */
export function bestConstantAnswer(labels: readonly number[] | Int32Array): ConstantAnswer {
  const counts = new Map<number, number>()
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1)
  let [most, count] = [0, 0]
  for (const [label, own] of counts) if (own > count || (own === count && label < most)) [most, count] = [label, own]
  return { class: most, accuracy: count / labels.length }
}

/**
 * Says so where an accuracy is not better than a constant answer, or is not shown to be: its 95 % interval reaches down to that
 * answer's accuracy. Null where it is better.
 *
 * @param constant name and accuracy of the constant answer
 * @param inputs how many the accuracy is of
 */
export function constantAnswerWarning(
  accuracy: number,
  constant: { readonly name: string; readonly accuracy: number },
  inputs: number,
): string | null {
  const { low, high } = wilsonInterval(accuracy, inputs)
  if (low > constant.accuracy) return null
  const shown = accuracy <= constant.accuracy ? 'not better' : 'not shown to be better'
  return (
    `right for ${percent(accuracy)} without poison (95 %: ${(100 * low).toFixed(1)} to ${percent(high)}): ${shown} than always answering ` +
    `${constant.name}, which is right for ${percent(constant.accuracy)}`
  )
}
