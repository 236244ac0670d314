/**
 * White-box tightening against label flips, for heads whose scores are linear in the labels (ridge and kernel ridge):
 *
 *   s_c(x) = sum_j alpha_j [label_j = c],   alpha = (K + lambda I)^-1 k(x)
 *
 * Flips of one head add up, so the fewest that make class a beat class b are found greedily; a knapsack over the heads then
 * finds the fewest flips that close the lead. A head votes for classes only that it has samples of, so a class falls behind all others, too, when all of its
 * labels in the head are flipped. Not valid for inserted or deleted samples (they change alpha), nor for heads
 * trained by gradient steps. Idea family: EnsembleCert (arXiv 2604.11416); construction: ours.
 *
 * The only floating-point part is comparing sums of alphas. Every comparison gives the attacker a margin of `slack` (far
 * above the rounding error of the scores), so rounding can only lower the radius.
 */
import { invalidArgument } from '../../core/errors.ts'
import { type CertifiedPrediction, lead, plurality, weakest } from './plurality.ts'

/** One head at one input. */
export interface LinearInLabels {
  /** [samples] what each training label contributes to its class's score; empty for an empty partition. */
  readonly alphas: Float64Array
  /** [samples] class index of each training sample. */
  readonly labels: ArrayLike<number>
}

export interface LabelFlipOptions {
  /** [learners] score difference given away to the attacker in each head: twice the error of its scores. */
  readonly slack: ArrayLike<number>
  /** [learners] the votes as cast; `classes` for a head without samples. They decide the prediction, alphas the costs. */
  readonly votes: ArrayLike<number>
}

/** Cost in flips of each thing a head can be made to give: nothing, one step, two steps; infinite when impossible. */
interface Offer {
  readonly one: number
  readonly two: number
}

/**
 * @param heads [learners] disjoint partitions, one learner each
 * @returns the radius in flipped labels, at most the number of samples
 */
export function certifyLabelFlips(
  heads: readonly LinearInLabels[],
  classes: number,
  options: LabelFlipOptions,
): CertifiedPrediction {
  const { votes } = options
  if (votes.length !== heads.length) throw invalidArgument('votes', `${heads.length} votes`, `${votes.length}`)
  const counts = new Int32Array(classes)
  for (let i = 0; i < votes.length; i++) if (votes[i] < classes) counts[votes[i]]++
  const prediction = plurality(counts)

  const samples = heads.reduce((sum, head) => sum + head.alphas.length, 0)
  /** Fewest flips for a head to leave its vote for anybody, and to vote for each class: past every other one at least. */
  const costs = heads.map((head, i) => {
    const vote = votes[i]
    const impossible = new Array<number>(classes).fill(Number.POSITIVE_INFINITY)
    if (vote >= classes || head.alphas.length === 0) return { leave: Number.POSITIVE_INFINITY, become: impossible }
    const others = Array.from({ length: classes }, (_, c) => c)
    const members = new Int32Array(classes)
    for (let j = 0; j < head.labels.length; j++) members[head.labels[j]]++
    const past = (a: number, b: number) =>
      a === b ? 0 : Math.min(members[b], fewestFlips(head, a, b, options.slack[i]))
    return {
      // Whatever the scores (they may tie within the slack), a head without a flip is the same head.
      leave: Math.max(1, Math.min(...others.filter((a) => a !== vote).map((a) => past(a, vote)))),
      become: others.map((a) => (a === vote ? 0 : Math.max(1, ...others.map((b) => past(a, b))))),
    }
  })

  const rivals = Array.from({ length: classes }, (_, c) => c).filter((c) => c !== prediction)
  return weakest(prediction, rivals, (c) => {
    const offers = costs.map(({ leave, become }, i): Offer => {
      // A head for the winner can leave it (one step) or come to the rival (two); any other can only come (one).
      if (votes[i] === prediction) return { one: leave, two: become[c] }
      return { one: votes[i] === c ? Number.POSITIVE_INFINITY : become[c], two: Number.POSITIVE_INFINITY }
    })
    return Math.min(samples, cheapest(offers, lead(counts, prediction, c)) - 1)
  })
}

/**
 * Fewest flips after which class `a` may reach class `b` in this head: sort what each flip gains, take the largest.
 *
 * Every label can be turned to the class that helps most: a sample with alpha > 0 becomes `a`, one with alpha < 0 becomes
 * `b`.
 */
export function fewestFlips(head: LinearInLabels, a: number, b: number, slack: number): number {
  const { alphas, labels } = head
  let behind = 0
  const gains: number[] = []
  for (let j = 0; j < alphas.length; j++) {
    const [alpha, label] = [alphas[j], labels[j]]
    if (label === b) behind += alpha
    if (label === a) behind -= alpha
    const steps = alpha > 0 ? 1 - (label === a ? 1 : 0) + (label === b ? 1 : 0) : label === b ? 0 : label === a ? 2 : 1
    if (steps > 0 && alpha !== 0) gains.push(Math.abs(alpha) * steps)
  }
  behind -= slack
  if (behind <= 0) return 0
  const sorted = Float64Array.from(gains).sort()
  for (let t = sorted.length - 1; t >= 0; t--) {
    behind -= sorted[t]
    if (behind <= 0) return sorted.length - t
  }
  return Number.POSITIVE_INFINITY
}

/** Knapsack: fewest flips in all whose steps reach `gap`. */
function cheapest(offers: readonly Offer[], gap: number): number {
  if (gap <= 0) return 0
  const best = new Float64Array(gap + 1).fill(Number.POSITIVE_INFINITY) // best[g]: flips for at least g steps
  best[0] = 0
  for (const { one, two } of offers) {
    for (let g = gap; g > 0; g--) {
      best[g] = Math.min(best[g], best[Math.max(0, g - 1)] + one, best[Math.max(0, g - 2)] + two)
    }
  }
  return best[gap]
}
