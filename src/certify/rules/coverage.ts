/**
 * Finite Aggregation without double counting. The published certificate adds bucket powers as if buckets never shared a
 * learner; here the attack's cheapest *union* is searched, which is exactly the black-box radius: capturing a learner and
 * making it vote for the rival is the best an attack on a plurality can do.
 *
 * Branch and bound in integers. Where the node limit stops it, the answer is the last bound proved: sound, maybe loose.
 */
import { checkOffsets, fewestToReach, reachedVotes } from './finite-aggregation.ts'
import { type CertifiedPrediction, lead, plurality, tally, worthOfVote } from './plurality.ts'

export interface CoveragePrediction extends CertifiedPrediction {
  /** Whether the radius is the exact black-box radius. False: the node limit was met, the radius is a lower bound. */
  readonly exact: boolean
  /** Buckets of an attack one poison beyond the radius that elects the rival; empty when none was found. */
  readonly attack: readonly number[]
}

export interface CoverageOptions {
  /** Search nodes for each rival and number of poisons. Default 20,000. */
  readonly nodeLimit?: number
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
  const reached = reachedVotes(votes, classes, offsets)
  let best: CoveragePrediction = { prediction, radius: Number.POSITIVE_INFINITY, rival: -1, exact: true, attack: [] }
  for (let c = 0; c < classes; c++) {
    if (c === prediction) continue
    const gap = lead(counts, prediction, c)
    const powers = new Int32Array(learners)
    for (let j = 0; j < learners; j++)
      powers[j] = offsets.length + reached[prediction * learners + j] - reached[c * learners + j]
    const worth = new Int32Array(learners)
    for (let i = 0; i < learners; i++) worth[i] = worthOfVote(votes[i], prediction, c)

    let t = fewestToReach(powers, gap, 2 * offsets.length)
    let exact = true
    let attack: readonly number[] = []
    // No rival can lower the minimum once its own bound lies beyond it.
    for (; t - 1 < best.radius; t++) {
      const found = findCover(worth, offsets, t, gap, options.nodeLimit ?? 20_000)
      exact = found !== 'unknown'
      if (found === 'none') continue
      attack = found === 'unknown' ? [] : found
      break
    }
    if (t - 1 < best.radius) best = { prediction, radius: t - 1, rival: c, exact, attack }
  }
  return best
}

/**
 * t buckets whose learners together are worth at least `gap`, `'none'` when there are none, `'unknown'` at the node limit.
 *
 * Bound of a node: the largest marginal worths of the buckets still allowed, added up (marginals only shrink).
 */
function findCover(
  worth: Int32Array,
  offsets: readonly number[],
  t: number,
  gap: number,
  nodeLimit: number,
): readonly number[] | 'none' | 'unknown' {
  const learners = worth.length
  const most = 2 * offsets.length
  const left = Int32Array.from(worth)
  const allowed = new Uint8Array(learners).fill(1)
  const chosen: number[] = []
  let nodes = 0

  const marginal = (bucket: number): number => {
    let sum = 0
    for (const offset of offsets) {
      const learner = bucket + offset
      sum += left[learner < learners ? learner : learner - learners]
    }
    return sum
  }
  const search = (missing: number): boolean | 'unknown' => {
    if (missing <= 0) return true
    if (chosen.length === t) return false
    if (++nodes > nodeLimit) return 'unknown'
    const marginals = new Int32Array(learners)
    for (let j = 0; j < learners; j++) if (allowed[j]) marginals[j] = marginal(j)
    if (chosen.length + fewestToReach(marginals, missing, most) > t) return false
    const order = Array.from({ length: learners }, (_, j) => j).filter((j) => allowed[j] && marginals[j] > 0)
    order.sort((a, b) => marginals[b] - marginals[a] || a - b)
    const excluded: number[] = []
    let answer: boolean | 'unknown' = false
    for (const [rank, bucket] of order.entries()) {
      // The best t - chosen marginals from here on cannot close the gap any more: no later first choice can either.
      let optimistic = 0
      for (let r = rank; r < order.length && r < rank + t - chosen.length; r++) optimistic += marginals[order[r]]
      if (optimistic < missing) break
      const taken: [number, number][] = []
      for (const offset of offsets) {
        const learner = (bucket + offset) % learners
        taken.push([learner, left[learner]])
        left[learner] = 0
      }
      chosen.push(bucket)
      allowed[bucket] = 0
      excluded.push(bucket) // later siblings search without it: every set is met once
      const below = search(missing - marginals[bucket])
      if (below === true) return true
      chosen.pop()
      for (const [learner, value] of taken.reverse()) left[learner] = value
      if (below === 'unknown') {
        answer = 'unknown'
        break
      }
    }
    for (const bucket of excluded) allowed[bucket] = 1
    return answer
  }
  const found = search(gap)
  return found === true ? [...chosen] : found === false ? 'none' : 'unknown'
}
