/** Fewest buckets whose learners together are worth a given amount: a greedy cover, and a search that is exact while its work lasts. */

/** Work that is left, in buckets looked at; shared by the searches of one input. */
export interface WorkBudget {
  left: number
}

/** One rival: what each learner is worth, which buckets reach it, what the buckets chosen so far have taken. */
export class CoverSearch {
  private readonly learners: number
  private readonly offsets: readonly number[]
  private readonly budget: WorkBudget
  /** [learners] worth that no chosen bucket has taken. */
  private readonly left: Int32Array
  /** [buckets] what choosing each would add. */
  private readonly marginals: Int32Array
  /** [buckets] 1 where the search may still choose it. */
  private readonly allowed: Uint8Array
  /** [2d + 1] allowed buckets of each marginal. */
  private readonly histogram: Int32Array
  private readonly chosen: number[] = []

  /**
   * @param worth [learners] 0 to 2
   * @param offsets [d] bucket j reaches the learners (j + offset) mod learners
   */
  constructor(worth: Int32Array, offsets: readonly number[], budget: WorkBudget) {
    this.learners = worth.length
    this.offsets = offsets
    this.budget = budget
    this.left = Int32Array.from(worth)
    this.marginals = new Int32Array(this.learners)
    this.allowed = new Uint8Array(this.learners).fill(1)
    this.histogram = new Int32Array(2 * offsets.length + 1)
    for (let i = 0; i < this.learners; i++)
      for (const offset of offsets) this.marginals[this.bucketOf(i, offset)] += worth[i]
    for (let j = 0; j < this.learners; j++) this.histogram[this.marginals[j]]++
  }

  /** A cover that takes the bucket worth most each time; not always the smallest. */
  greedy(gap: number): readonly number[] {
    const buckets: number[] = []
    const taken: number[] = []
    for (let missing = gap; missing > 0; ) {
      const bucket = this.largest()
      missing -= this.marginals[bucket]
      buckets.push(bucket)
      taken.push(...this.take(bucket))
    }
    this.giveBack(taken)
    return buckets
  }

  /**
   * @returns t buckets worth at least `gap`, `'none'` where there are none, `'unknown'` when the work is used up
   */
  find(t: number, gap: number): readonly number[] | 'none' | 'unknown' {
    const found = this.search(t, gap)
    const cover = [...this.chosen]
    if (found === 'yes') this.chosen.length = 0
    return found === 'yes' ? cover : found
  }

  /** Depth first: with the bucket worth most, then without it. Leaves everything as it was, but `chosen` where it found a cover. */
  private search(t: number, missing: number): 'yes' | 'none' | 'unknown' {
    if (missing <= 0) return 'yes'
    const excluded: number[] = []
    let answer: 'yes' | 'none' | 'unknown' = 'none'
    // Marginals only shrink: the largest ones that are left, added up, bound what t more buckets can take.
    while (t > 0 && this.atMost(t) >= missing) {
      if (this.budget.left <= 0) {
        answer = 'unknown'
        break
      }
      const bucket = this.largest()
      const gain = this.marginals[bucket]
      this.forbid(bucket)
      excluded.push(bucket) // later siblings search without it: every set is met once
      const taken = this.take(bucket)
      this.chosen.push(bucket)
      const below = this.search(t - 1, missing - gain)
      this.giveBack(taken)
      if (below !== 'none') {
        answer = below
        if (below === 'unknown') this.chosen.pop()
        break
      }
      this.chosen.pop()
    }
    for (const bucket of excluded) this.allow(bucket)
    return answer
  }

  /** The t largest marginals of allowed buckets, added up. */
  private atMost(t: number): number {
    let [sum, left] = [0, t]
    for (let power = this.histogram.length - 1; power > 0 && left > 0; power--) {
      const some = Math.min(left, this.histogram[power])
      sum += some * power
      left -= some
    }
    return sum
  }

  /** The allowed bucket with the largest marginal; the smallest number among equals. */
  private largest(): number {
    let best = -1
    let most = -1
    for (let j = 0; j < this.learners; j++) {
      if (this.allowed[j] === 1 && this.marginals[j] > most) {
        most = this.marginals[j]
        best = j
      }
    }
    this.budget.left -= this.learners
    return best
  }

  private bucketOf(learner: number, offset: number): number {
    return learner < offset ? learner - offset + this.learners : learner - offset
  }

  /** Takes what the learners of a bucket are still worth. Returns them, each followed by that. */
  private take(bucket: number): number[] {
    const taken: number[] = []
    for (const offset of this.offsets) {
      const learner = (bucket + offset) % this.learners
      const worth = this.left[learner]
      if (worth === 0) continue
      taken.push(learner, worth)
      this.change(learner, -worth)
    }
    this.budget.left -= taken.length * this.offsets.length
    return taken
  }

  private giveBack(taken: readonly number[]): void {
    for (let i = 0; i < taken.length; i += 2) this.change(taken[i], taken[i + 1])
  }

  private change(learner: number, by: number): void {
    this.left[learner] += by
    for (const offset of this.offsets) {
      const bucket = this.bucketOf(learner, offset)
      if (this.allowed[bucket] === 1) {
        this.histogram[this.marginals[bucket]]--
        this.histogram[this.marginals[bucket] + by]++
      }
      this.marginals[bucket] += by
    }
  }

  private forbid(bucket: number): void {
    this.allowed[bucket] = 0
    this.histogram[this.marginals[bucket]]--
  }

  private allow(bucket: number): void {
    this.allowed[bucket] = 1
    this.histogram[this.marginals[bucket]]++
  }
}
