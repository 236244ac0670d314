/**
 * A search for t buckets whose learners together are worth a given amount: depth first, exact while its work lasts.
 *
 * What more buckets can add is bounded twice: with prices = worth, where a shared learner counts as often as it is shared, and with
 * the prices of `boundCover`. The second is better at the start, the first where many learners are taken.
 */
import { type Cover, priceScale, type WorkBudget } from './cover-bound.ts'
import { PricedBuckets } from './priced-buckets.ts'

/** Prices are multiples of 1 / this here: few values, so that buckets are sorted by counting. */
const scale = 16

/**
 * @param cover `prices` [learners]: any are right, those of `boundCover` make the search short
 * @param offsets [d] bucket j reaches the learners (j + offset) mod learners
 * @returns t buckets (or fewer) worth at least `gap`, `'none'` where it is proved that there are none, `'unknown'` when the work
 *   is used up
 */
export function searchCover(
  cover: Cover,
  offsets: readonly number[],
  t: number,
  budget: WorkBudget,
): readonly number[] | 'none' | 'unknown' {
  if (budget.left <= 0) return 'unknown'
  const { worth, gap } = cover
  const coarse = cover.prices.map((price, i) => Math.min(worth[i] * scale, Math.round((price * scale) / priceScale)))
  budget.left -= 2 * worth.length * offsets.length
  const bounds = [new PricedBuckets(worth, worth, 1, offsets), new PricedBuckets(worth, coarse, scale, offsets)]
  const least = bounds.map((bound) => bound.leastOf(t, gap))
  const buckets = Int32Array.from(worth.keys()).filter((j) => bounds.every(({ sums }, b) => sums[j] >= least[b]))
  for (const bound of bounds) bound.keep(buckets)
  return new CoverSearch(worth, bounds, buckets, offsets, budget).find(t, gap)
}

/** One search: which buckets it may still choose, and which learners the chosen ones have taken. */
class CoverSearch {
  private readonly worth: Int32Array
  private readonly bounds: readonly PricedBuckets[]
  private readonly budget: WorkBudget
  /** [candidates] the buckets among which it chooses; the others cannot be in any cover. */
  private readonly buckets: Int32Array
  /** [candidates * d] learners that each reaches. */
  private readonly reaches: Int32Array
  /** [learners + 1] where the candidates that reach each learner begin in `owners`. */
  private readonly starts: Int32Array
  private readonly owners: Int32Array
  /** [learners] how many chosen buckets reach it. */
  private readonly taken: Int32Array
  /** [candidates] 1 where the search may still choose it. */
  private readonly allowed: Uint8Array
  private readonly chosen: number[] = []

  constructor(
    worth: Int32Array,
    bounds: readonly PricedBuckets[],
    buckets: Int32Array,
    offsets: readonly number[],
    budget: WorkBudget,
  ) {
    const learners = worth.length
    this.worth = worth
    this.bounds = bounds
    this.buckets = buckets
    this.budget = budget
    this.reaches = new Int32Array(buckets.length * offsets.length)
    this.starts = new Int32Array(learners + 1)
    this.owners = new Int32Array(this.reaches.length)
    this.taken = new Int32Array(learners)
    this.allowed = new Uint8Array(buckets.length).fill(1)
    for (let n = 0; n < this.reaches.length; n++) {
      const index = Math.floor(n / offsets.length)
      this.reaches[n] = (buckets[index] + offsets[n % offsets.length]) % learners
      this.starts[this.reaches[n] + 1]++
    }
    for (let i = 0; i < learners; i++) this.starts[i + 1] += this.starts[i]
    const next = this.starts.slice()
    for (let n = 0; n < this.reaches.length; n++) this.owners[next[this.reaches[n]]++] = Math.floor(n / offsets.length)
  }

  find(t: number, gap: number): readonly number[] | 'none' | 'unknown' {
    const found = this.search(t, gap)
    return found === 'yes' ? this.chosen.map((index) => this.buckets[index]) : found
  }

  /** With the bucket that adds most, then without it. Leaves everything as it was, but `chosen` where it found a cover. */
  private search(t: number, missing: number): 'yes' | 'none' | 'unknown' {
    if (missing <= 0) return 'yes'
    const excluded: number[] = []
    let answer: 'yes' | 'none' | 'unknown' = 'none'
    while (t > 0 && this.bounds.every((bound) => bound.mayReach(t, missing))) {
      if (this.budget.left <= 0) {
        answer = 'unknown'
        break
      }
      const index = this.largest()
      this.forbid(index)
      excluded.push(index) // later siblings search without it: every set is met once
      const gain = this.take(index)
      this.chosen.push(index)
      answer = this.search(t - 1, missing - gain)
      this.giveBack(index)
      if (answer === 'yes') break
      this.chosen.pop()
      if (answer === 'unknown') break
    }
    for (const index of excluded) this.allow(index)
    return answer
  }

  /** The candidate that adds most, among those allowed; the first among equals. */
  private largest(): number {
    const { sums } = this.bounds[0]
    let best = -1
    for (let index = 0; index < sums.length; index++)
      if (this.allowed[index] === 1 && (best < 0 || sums[index] > sums[best])) best = index
    this.budget.left -= sums.length
    return best
  }

  /** Takes the learners of a bucket. @returns the worth of those that were not taken */
  private take(index: number): number {
    let gain = 0
    const d = this.reaches.length / this.buckets.length
    for (let n = index * d; n < (index + 1) * d; n++) {
      const learner = this.reaches[n]
      if (this.taken[learner]++ > 0) continue
      gain += this.worth[learner]
      this.change(learner, -1)
    }
    return gain
  }

  private giveBack(index: number): void {
    const d = this.reaches.length / this.buckets.length
    for (let n = index * d; n < (index + 1) * d; n++)
      if (--this.taken[this.reaches[n]] === 0) this.change(this.reaches[n], 1)
  }

  private change(learner: number, sign: -1 | 1): void {
    const [start, end] = [this.starts[learner], this.starts[learner + 1]]
    this.budget.left -= end - start
    for (const bound of this.bounds) bound.change(learner, sign, this.owners, start, end, this.allowed)
  }

  private forbid(index: number): void {
    this.allowed[index] = 0
    for (const bound of this.bounds) bound.forbid(index)
  }

  private allow(index: number): void {
    this.allowed[index] = 1
    for (const bound of this.bounds) bound.allow(index)
  }
}
