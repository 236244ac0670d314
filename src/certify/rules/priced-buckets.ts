/** Prices of learners, and what buckets can add at most according to them (see `boundCover`), kept while learners are taken. */
export class PricedBuckets {
  /** [buckets] prices of the learners that each reaches and that are not taken, added up; [candidates] after `keep`. */
  sums: Int32Array
  private readonly worth: Int32Array
  private readonly prices: Int32Array
  private readonly scale: number
  /** Worth minus price of all learners that are not taken. */
  private slack = 0
  /** [2d * scale + 1] buckets of each sum among which the search may still choose. */
  private readonly histogram: Int32Array

  /**
   * @param worth [learners] 0 to 2
   * @param prices [learners] from 0 to worth, in units of 1 / `scale`
   * @param offsets [d] bucket j reaches the learners (j + offset) mod learners
   */
  constructor(worth: Int32Array, prices: Int32Array, scale: number, offsets: readonly number[]) {
    this.worth = worth
    this.prices = prices
    this.scale = scale
    this.sums = new Int32Array(worth.length)
    for (let i = 0; i < worth.length; i++) {
      this.slack += worth[i] * scale - prices[i]
      if (prices[i] === 0) continue
      for (const offset of offsets) this.sums[i < offset ? i - offset + worth.length : i - offset] += prices[i]
    }
    this.histogram = new Int32Array(2 * offsets.length * scale + 1)
    for (const sum of this.sums) this.histogram[sum]++
  }

  /** Whether t more buckets may be worth `missing`. */
  mayReach(t: number, missing: number): boolean {
    return this.slack + this.largest(t).total >= missing * this.scale
  }

  /** A bucket with a smaller sum than this is in no choice of t buckets worth `gap`. */
  leastOf(t: number, gap: number): number {
    const { total, last } = this.largest(t)
    return gap * this.scale - this.slack - total + last
  }

  /** From here on only these buckets are meant, called by their indices in the list. */
  keep(buckets: Int32Array): void {
    this.sums = buckets.map((j) => this.sums[j])
    this.histogram.fill(0)
    for (const sum of this.sums) this.histogram[sum]++
  }

  forbid(index: number): void {
    this.histogram[this.sums[index]]--
  }

  allow(index: number): void {
    this.histogram[this.sums[index]]++
  }

  /**
   * @param sign -1 where a learner is taken, 1 where it is given back
   * @param reachedBy indices of the buckets that reach it, from `start` to `end`
   * @param allowed [candidates] 1 where the search may still choose it
   */
  change(learner: number, sign: -1 | 1, reachedBy: Int32Array, start: number, end: number, allowed: Uint8Array): void {
    const price = sign * this.prices[learner]
    this.slack += sign * this.worth[learner] * this.scale - price
    if (price === 0) return
    for (let n = start; n < end; n++) {
      const index = reachedBy[n]
      const sum = this.sums[index]
      this.sums[index] = sum + price
      if (allowed[index] === 0) continue
      this.histogram[sum]--
      this.histogram[sum + price]++
    }
  }

  /** The t largest sums: added up, and the last of them. */
  private largest(t: number): { readonly total: number; readonly last: number } {
    let [total, left, last] = [0, t, 0]
    for (let sum = this.histogram.length - 1; sum > 0 && left > 0; sum--) {
      const some = Math.min(left, this.histogram[sum])
      if (some === 0) continue
      total += some * sum
      left -= some
      last = sum
    }
    return { total, last: left > 0 ? 0 : last }
  }
}
