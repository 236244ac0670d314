/**
 * White-box tightening against label flips, for heads whose scores are linear in the labels (ridge and kernel ridge):
 *
 *   s_c(x) = sum_j alpha_j [label_j = c],   alpha = (K + lambda I)^-1 k(x)
 *
 * Flips of one head add up, so the fewest that make class a beat class b are found greedily; a knapsack over the heads then
 * finds the fewest flips that close the lead. A head votes for classes only that it has samples of, so a class falls behind all others, too, when all of its
 * labels in the head are flipped. Not valid for inserted or deleted samples (they change alpha), also where a
 * label that is taken away deletes its sample; nor for heads trained by gradient steps. Idea family: EnsembleCert (arXiv 2604.11416); construction: ours.
 *
 * The only floating-point part is comparing sums of alphas. Every comparison gives the attacker a margin of `slack` (far
 * above the rounding error of the scores), so rounding can only lower the radius.
 */
import { invalidArgument } from '../../core/errors.ts'
import { certifyDpa } from './dpa.ts'
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

/** What it takes to change the vote of one head on one input, in flips; infinite when impossible. */
export interface HeadCosts {
  /** To leave its vote for anybody. */
  readonly leave: number
  /** [classes] to vote for each class: past every other one at least. */
  readonly become: ArrayLike<number>
}

/**
 * @param vote of this head; `classes` for one without samples
 * @param slack score difference given away to the attacker
 */
export function headCosts(head: LinearInLabels, classes: number, vote: number, slack: number): HeadCosts {
  const become = new Float64Array(classes).fill(Number.POSITIVE_INFINITY)
  if (vote >= classes || head.alphas.length === 0) return { leave: Number.POSITIVE_INFINITY, become }
  const flips = new Flips(head, classes)
  let leave = Number.POSITIVE_INFINITY
  for (let a = 0; a < classes; a++) {
    let most = 0
    for (let b = 0; b < classes; b++) {
      if (b === a) continue
      const past = Math.min(flips.members[b], flips.fewest(a, b, slack))
      most = Math.max(most, past)
      if (b === vote) leave = Math.min(leave, past)
    }
    // Whatever the scores (they may tie within the slack), a head without a flip is the same head.
    become[a] = a === vote ? 0 : Math.max(1, most)
  }
  return { leave: Math.max(1, leave), become }
}

/**
 * The certificate of an ensemble from the costs of its heads.
 *
 * @param costs [learners]
 * @param votes [learners] as cast; `classes` for a head without samples
 * @param samples of all heads together
 */
export function certifyHeadCosts(
  costs: readonly HeadCosts[],
  votes: ArrayLike<number>,
  classes: number,
  samples: number,
): CertifiedPrediction {
  if (votes.length !== costs.length) throw invalidArgument('votes', `${costs.length} votes`, `${votes.length}`)
  const counts = new Int32Array(classes)
  for (let i = 0; i < votes.length; i++) if (votes[i] < classes) counts[votes[i]]++
  const prediction = plurality(counts)
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

/** What a white-box certificate counts besides the votes. */
export interface FlipFacts {
  /** Training rows of all heads together. */
  readonly samples: number
  /** Most rows of one unit (video or source), all of which one poisoned sample may relabel. */
  readonly largestUnit: number
}

/**
 * The white-box certificate of one input, never below that of DPA, which certifies the same predictor.
 *
 * @param costs [learners, classes + 1] flips to each class, then to any other than the vote
 * @param votes [learners] as cast; `classes` for a head without samples
 * @returns the radius counts relabeled units
 */
export function certifyUnitFlips(
  costs: Float32Array,
  votes: ArrayLike<number>,
  classes: number,
  { samples, largestUnit }: FlipFacts,
): CertifiedPrediction {
  const width = classes + 1
  const heads = Array.from({ length: votes.length }, (_, i): HeadCosts => {
    const at = i * width
    return { become: costs.subarray(at, at + classes), leave: costs[at + classes] }
  })
  const inside = certifyHeadCosts(heads, votes, classes, samples)
  const outside = certifyDpa(votes, classes)
  const radius = Math.floor(inside.radius / largestUnit)
  const { prediction, rival } = radius > outside.radius ? inside : outside
  return { prediction, radius: Math.max(radius, outside.radius), rival }
}

/**
 * Prediction and radius in flipped labels for one input, by looking into ridge heads.
 *
 * @param heads [learners] disjoint partitions, one learner each
 * @returns the radius in flipped labels, at most the number of samples
 * @throws VideoMaeError `INVALID_ARGUMENT` for another number of votes than heads
 */
export function certifyLabelFlips(
  heads: readonly LinearInLabels[],
  classes: number,
  options: LabelFlipOptions,
): CertifiedPrediction {
  const { votes, slack } = options
  if (votes.length !== heads.length) throw invalidArgument('votes', `${heads.length} votes`, `${votes.length}`)
  const costs = heads.map((head, i) => headCosts(head, classes, votes[i], slack[i]))
  const samples = heads.reduce((sum, head) => sum + head.alphas.length, 0)
  return certifyHeadCosts(costs, votes, classes, samples)
}

/** The labels of one head by what a flip of each gains; sorted once for all pairs of classes. */
class Flips {
  /** [classes] samples of each class. */
  readonly members: Int32Array
  private readonly head: LinearInLabels
  /** [classes] */
  private readonly scores: Float64Array
  /** Samples with an alpha other than 0, the largest first. */
  private readonly order: Int32Array

  constructor(head: LinearInLabels, classes: number) {
    const { alphas, labels } = head
    this.head = head
    this.members = new Int32Array(classes)
    this.scores = new Float64Array(classes)
    for (let j = 0; j < alphas.length; j++) {
      this.members[labels[j]]++
      this.scores[labels[j]] += alphas[j]
    }
    this.order = Int32Array.from({ length: alphas.length }, (_, j) => j)
      .filter((j) => alphas[j] !== 0)
      .sort((a, b) => Math.abs(alphas[b]) - Math.abs(alphas[a]) || a - b)
  }

  /**
   * Fewest flips after which class `a` may reach class `b`: the largest gains, one after another. Every label can be turned to
   * the class that helps most: a sample with alpha > 0 becomes `a`, one with alpha < 0 becomes `b`.
   */
  fewest(a: number, b: number, slack: number): number {
    let behind = this.scores[b] - this.scores[a] - slack
    if (behind <= 0) return 0
    const { order } = this
    const { alphas } = this.head
    // A flip gains |alpha| or twice that; each kind in order, merged.
    let [once, twice] = [this.next(0, a, b, 1), this.next(0, a, b, 2)]
    for (let flips = 1; once < order.length || twice < order.length; flips++) {
      const single = once < order.length ? Math.abs(alphas[order[once]]) : 0
      const double = twice < order.length ? 2 * Math.abs(alphas[order[twice]]) : 0
      if (double > single) twice = this.next(twice + 1, a, b, 2)
      else once = this.next(once + 1, a, b, 1)
      behind -= Math.max(single, double)
      if (behind <= 0) return flips
    }
    return Number.POSITIVE_INFINITY
  }

  /** The first index in the order, from `from` on, whose flip gains `steps` times its alpha. */
  private next(from: number, a: number, b: number, steps: number): number {
    const { alphas, labels } = this.head
    let at = from
    for (; at < this.order.length; at++) {
      const j = this.order[at]
      const label = labels[j]
      const [loses, wins] = alphas[j] > 0 ? [a, b] : [b, a]
      if (1 - (label === loses ? 1 : 0) + (label === wins ? 1 : 0) === steps) break
    }
    return at
  }
}

/** Fewest flips after which class `a` may reach class `b` in this head. */
export function fewestFlips(head: LinearInLabels, a: number, b: number, slack: number): number {
  return new Flips(head, Math.max(a, b, ...Array.from(head.labels)) + 1).fewest(a, b, slack)
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
