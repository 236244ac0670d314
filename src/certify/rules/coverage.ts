/**
 * Finite Aggregation without double counting. The published certificate adds bucket powers as if buckets never shared a
 * learner; here the attack's cheapest *union* is searched, which is exactly the black-box radius: capturing a learner and
 * making it vote for the rival is the best an attack on a plurality can do.
 *
 * The published sum is a lower bound, a greedy attack an upper one. Where they meet, which is nearly always, nothing is
 * searched. Otherwise branch and bound in integers, in `CoverSearch`. Its work is counted and bounded for each input; where
 * the bound stops it, the answer is the last number that was proved: sound, maybe loose, and said to be so.
 */
import { CoverSearch } from './cover-search.ts'
import { checkOffsets, fewestToReach, VoteReach } from './finite-aggregation.ts'
import { type CertifiedPrediction, distinctRivals, lead, plurality, tally, worthOfVote } from './plurality.ts'

export interface CoveragePrediction extends CertifiedPrediction {
  /** Whether the radius is the exact black-box radius. False: the search was cut short, the radius is a lower bound. */
  readonly exact: boolean
  /** Buckets of an attack one poison beyond the radius that elects the rival; empty when none was found. */
  readonly attack: readonly number[]
}

export interface CoverageOptions {
  /**
   * Work of the search for one input, in buckets looked at; the same everywhere, unlike time. Default 2^24, some tenths of a
   * second at most.
   */
  readonly work?: number
}

/** What is known of one rival. */
interface Bounds {
  readonly rival: number
  readonly gap: number
  /** Buckets that the rival needs at least. */
  readonly least: number
}

/**
 * @param votes [kd] class indices, `classes` for an abstention
 * @param offsets [d] the spread; learner i is trained on buckets (i - offset) mod kd
 */
export function certifyFiniteAggregationExact(
  votes: ArrayLike<number>,
  classes: number,
  offsets: readonly number[],
  options: CoverageOptions = {},
): CoveragePrediction {
  const learners = votes.length
  checkOffsets(offsets, learners)
  const counts = tally(votes, classes)
  const prediction = plurality(counts)
  const reach = new VoteReach(votes, classes, offsets)
  const mine = reach.powersOf(prediction)
  const powers = new Int32Array(learners)
  // The rival that needs least first, so that most others need no search.
  const rivals = distinctRivals(counts, prediction)
    .map((rival): Bounds => {
      powers.set(mine)
      reach.add(powers, rival, -1)
      const gap = lead(counts, prediction, rival)
      return { rival, gap, least: fewestToReach(powers, gap, 2 * offsets.length) }
    })
    .sort((a, b) => a.least - b.least || a.rival - b.rival)

  const budget = { left: options.work ?? 2 ** 24 }
  let best: { readonly need: number; readonly rival: number; readonly attack: readonly number[] } | null = null
  let attacked = Number.POSITIVE_INFINITY // buckets of the smallest attack that was found
  for (const { rival, gap, least } of rivals) {
    const wanted = (need: number) => best === null || need < best.need || (need === best.need && rival < best.rival)
    if (!wanted(least)) continue
    const worth = Int32Array.from({ length: learners }, (_, i) => worthOfVote(votes[i], prediction, rival))
    const search = new CoverSearch(worth, offsets, budget)
    const greedy = search.greedy(gap)
    let attack: readonly number[] = greedy
    let need = least
    for (; need < greedy.length && wanted(need); need++) {
      const found = search.find(need, gap)
      if (found === 'none') continue
      attack = found === 'unknown' ? greedy : found
      break
    }
    attacked = Math.min(attacked, attack.length)
    if (wanted(need)) best = { need, rival, attack: attack.length === need ? attack : [] }
  }
  if (best === null) return { prediction, radius: Number.POSITIVE_INFINITY, rival: -1, exact: true, attack: [] }
  return { prediction, radius: best.need - 1, rival: best.rival, exact: attacked === best.need, attack: best.attack }
}
