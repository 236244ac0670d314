/** What it costs to make single classes come out, over a whole test set. */
import { invalidArgument, requireDistinct } from '../../core/errors.ts'
import type { InputCertificate } from './rule.ts'

export interface TargetedSummary {
  readonly class: number
  /** Inputs that are known to be of another class. */
  readonly inputs: number
  /**
   * [0..] share of these inputs for which the class is ruled out with r poisoned samples. The last share holds for every larger
   * number, too: it is of inputs for which no number of poisoned samples is enough.
   */
  readonly ruledOut: readonly number[]
  /** Largest r with a share of at least one half; null where even the first is below, infinite cases count as the largest r. */
  readonly medianRuledOut: number | null
}

/**
 * @param labels [inputs] true classes, null where one is not known
 * @returns one summary for each target
 */
export function summarizeTargets(
  targets: readonly number[],
  certificates: readonly InputCertificate[],
  labels: ArrayLike<number | null>,
): TargetedSummary[] {
  return targets.map((target, at) => {
    const costs = certificates.flatMap(({ targets: stated = [] }, t) => {
      const label = labels[t] ?? null
      return label === null || label === target ? [] : [stated[at]?.poisons ?? Number.POSITIVE_INFINITY]
    })
    const largest = costs.reduce((most, cost) => (Number.isFinite(cost) ? Math.max(most, cost) : most), 0)
    const counts = new Float64Array(largest + 1)
    for (const cost of costs) for (let r = 0; r <= largest && r < cost; r++) counts[r]++
    const ruledOut = costs.length === 0 ? [] : Array.from(counts, (count) => count / costs.length)
    const halves = ruledOut.findLastIndex((share) => share >= 0.5)
    return { class: target, inputs: costs.length, ruledOut, medianRuledOut: halves < 0 ? null : halves }
  })
}

/**
 * Indices of classes that are named.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for a name that is none of the classes, or one twice
 */
export function targetsNamed(
  names: readonly string[],
  classNames: readonly string[],
  option = 'targetClasses',
): number[] {
  requireDistinct(option, names)
  return names.map((name) => {
    const at = classNames.indexOf(name.normalize('NFC'))
    if (at < 0) throw invalidArgument(option, `classes of ${shownNames(classNames)}`, name)
    return at
  })
}

function shownNames(names: readonly string[]): string {
  return names.length <= 12 ? names.join(', ') : `${names.slice(0, 12).join(', ')} and ${names.length - 12} more`
}
