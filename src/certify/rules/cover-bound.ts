/**
 * What t buckets can be worth at most, by Lagrangian relaxation of maximum coverage (Cornuejols, Fisher & Nemhauser, Management
 * Science 23, 1977). Give each learner a price between 0 and its worth. A set of buckets is worth at most
 *
 *     sum over learners of (worth - price) + sum over chosen buckets of the prices of the learners that each reaches:
 *
 * a learner that is reached pays its price at least once, and another learner adds nothing below 0. So the t buckets with the
 * largest sums of prices bound every choice. Price = worth counts shared learners as often as they are shared; lower prices of
 * learners that many large buckets share are better. Everything is in integers: whatever the prices, the bound is proved.
 */
/** Work that is left, in buckets looked at; shared by the searches of one input. */
export interface WorkBudget {
  left: number
}

/** What buckets are to be worth. */
export interface Cover {
  /** [learners] 0 to 2 */
  readonly worth: Int32Array
  readonly gap: number
  /** [learners] in units of 1 / `priceScale` */
  readonly prices: Int32Array
}

/** Prices are multiples of 1 / this. */
export const priceScale = 2 ** 12

/** Steps without a better bound before the search for prices ends. */
const patience = 12
const mostSteps = 80

export interface CoverBound {
  /** No t buckets are worth more. */
  readonly most: number
  /** [learners] prices that show it, in units of 1 / `priceScale`. */
  readonly prices: Int32Array
}

/** Prices with which every learner counts as often as it is shared. */
export function fullPrices(worth: Int32Array): Int32Array {
  return worth.map((value) => value * priceScale)
}

/**
 * Subgradient steps (Polyak's length) from the given prices until the bound is below `gap`, does not fall any more, or the work is
 * used up.
 *
 * @param cover `prices` are from where to continue
 * @param offsets [d] bucket j reaches the learners (j + offset) mod learners
 */
export function boundCover(
  { worth, gap, prices: start }: Cover,
  offsets: readonly number[],
  t: number,
  budget: WorkBudget,
): CoverBound {
  const learners = worth.length
  const full = fullPrices(worth)
  const prices = start.slice()
  const sums = new Int32Array(learners)
  const reached = new Int32Array(learners)
  const step = new Int32Array(learners)
  let best: CoverBound = { most: Number.POSITIVE_INFINITY, prices }
  let lowest = Number.POSITIVE_INFINITY
  let shrink = 1
  for (let [count, stale] = [0, 0]; count < mostSteps && stale < patience && budget.left > 0; count++) {
    budget.left -= 2 * learners * offsets.length
    const bound = boundOf(full, prices, offsets, t, sums, reached)
    if (bound < lowest) {
      if (lowest - bound < priceScale / 8) stale++
      else stale = 0
      lowest = bound
      best = { most: Math.floor(bound / priceScale), prices: prices.slice() }
      if (best.most < gap) break
    } else {
      stale++
      shrink /= 2
    }
    // Down where a learner is reached more than once, up where it is not reached.
    let norm = 0
    for (let i = 0; i < learners; i++) {
      const direction = full[i] === 0 ? 0 : reached[i] - 1
      step[i] = direction < 0 && prices[i] === full[i] ? 0 : direction
      norm += step[i] * step[i]
    }
    if (norm === 0) break
    const length = (shrink * (bound - gap * priceScale + priceScale)) / norm
    for (let i = 0; i < learners; i++)
      prices[i] = Math.max(0, Math.min(full[i], prices[i] - Math.round(length * step[i])))
  }
  return best
}

/**
 * The bound of some prices, in units of 1 / `priceScale`.
 *
 * @param sums [buckets] written: prices of the learners that each bucket reaches
 * @param reached [learners] written: how many of the t largest buckets reach each
 */
function boundOf(
  full: Int32Array,
  prices: Int32Array,
  offsets: readonly number[],
  t: number,
  sums: Int32Array,
  reached: Int32Array,
): number {
  const learners = full.length
  sums.fill(0)
  reached.fill(0)
  let bound = 0
  for (let i = 0; i < learners; i++) bound += full[i] - prices[i]
  for (const offset of offsets) {
    for (let j = 0; j < learners; j++) sums[j] += prices[j + offset < learners ? j + offset : j + offset - learners]
  }
  const sorted = sums.toSorted()
  const least = sorted[Math.max(0, learners - t)]
  let ties = t
  for (let i = learners - 1; i >= 0 && sorted[i] > least; i--) ties--
  for (let j = 0; j < learners; j++) {
    if (sums[j] < least || (sums[j] === least && ties-- <= 0)) continue
    bound += sums[j]
    for (const offset of offsets) reached[(j + offset) % learners]++
  }
  return bound
}
