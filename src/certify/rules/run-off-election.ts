/**
 * Run-Off Election (Rezaei, Banihashem, Chegini & Feizi, ICML 2023). Round 1: plurality of first choices, the top two
 * go on. Round 2: every learner votes for the one of the two it ranks higher. Only comparisons are used, so a captured
 * learner has one vote per round.
 *
 * Both certificates are here: disjoint partitions (a poison takes one learner) and Finite Aggregation (a poison takes the
 * d learners a bucket reaches). An abstaining ballot (its first entry is `classes`) helps nobody in either round.
 */
import { invalidArgument } from '../../core/errors.ts'
import { checkOffsets, fewestToReach, reachedVotes } from './finite-aggregation.ts'
import { type CertifiedPrediction, checkClasses, lead, plurality } from './plurality.ts'

export interface RunOffPrediction extends CertifiedPrediction {
  /** Round 1 counts. */
  readonly firstRound: Int32Array
  /** The other class of the final. */
  readonly finalist: number
  /** Fewest poisons that may eliminate the winner in round 1; infinite with two classes. */
  readonly round1: number
  /** Fewest poisons that may make the winner lose the final. */
  readonly round2: number
  /** Where the cheapest attack strikes, and the classes it has to lift (two in round 1, one in round 2). */
  readonly bindingRound: 1 | 2
  readonly rivals: readonly number[]
}

interface Election {
  readonly classes: number
  readonly learners: number
  readonly counts: Int32Array
  /** [classes, classes] learners that rank a above b, at a * classes + b. */
  readonly prefers: Int32Array
  readonly prediction: number
  readonly finalist: number
}

/**
 * Counts both rounds.
 *
 * @param ballots [learners, classes] class indices best first, row-major
 */
function elect(ballots: ArrayLike<number>, classes: number): Election {
  checkClasses(classes)
  const learners = ballots.length / classes
  if (!Number.isInteger(learners))
    throw invalidArgument('ballots', `a multiple of ${classes} ranks`, `${ballots.length} ranks`)
  const counts = new Int32Array(classes)
  const prefers = new Int32Array(classes * classes)
  for (let i = 0; i < learners; i++) {
    const row = i * classes
    if (ballots[row] === classes) continue
    counts[ballots[row]]++
    for (let p = 0; p < classes; p++) {
      const above = ballots[row + p] * classes
      for (let q = p + 1; q < classes; q++) prefers[above + ballots[row + q]]++
    }
  }
  const a = plurality(counts)
  let b = -1
  for (let c = 0; c < classes; c++) if (c !== a && (b < 0 || counts[c] > counts[b])) b = c
  const margin = prefers[a * classes + b] - prefers[b * classes + a] + (b > a ? 1 : 0)
  return { classes, learners, counts, prefers, prediction: margin > 0 ? a : b, finalist: margin > 0 ? b : a }
}

/** The winner alone, without a certificate. */
export function runOffWinner(ballots: ArrayLike<number>, classes: number): number {
  return elect(ballots, classes).prediction
}

/**
 * Fewest poisons that close two gaps at once, each poison taking 2 off one gap and 1 off the other.
 *
 * Closed form of the table in the paper's program: each gap alone, and both together at 3 a poison.
 */
export function fewestForTwoGaps(first: number, second: number): number {
  const a = Math.max(0, first)
  const b = Math.max(0, second)
  return Math.max(Math.ceil(a / 2), Math.ceil(b / 2), Math.ceil((a + b) / 3))
}

interface Costs {
  /** Poisons until `b` overtakes `a` in round 1. */
  single(a: number, b: number): number
  /** Poisons until both rivals overtake `y` in round 1. */
  pair(y: number, first: number, second: number): number
  /** Poisons until `c` beats `y` in the final. */
  final(y: number, c: number): number
}

function certifyWith(election: Election, costs: Costs): RunOffPrediction {
  const { classes, prediction: y, finalist: s } = election
  let round1 = Number.POSITIVE_INFINITY
  let round2 = Number.POSITIVE_INFINITY
  let pairRivals: readonly number[] = []
  let finalRival = -1
  for (let first = 0; first < classes; first++) {
    if (first === y) continue
    for (let second = first + 1; second < classes; second++) {
      if (second === y) continue
      const cost = costs.pair(y, first, second)
      if (cost < round1) {
        round1 = cost
        pairRivals = [first, second]
      }
    }
    // To win the final against y, a class has to get there: past the other finalist.
    const cost = Math.max(first === s ? 0 : costs.single(s, first), costs.final(y, first))
    if (cost < round2) {
      round2 = cost
      finalRival = first
    }
  }
  const bindingRound = round2 <= round1 ? 2 : 1
  const rivals = bindingRound === 2 ? [finalRival] : pairRivals
  return {
    prediction: y,
    radius: Math.min(round1, round2) - 1,
    rival: rivals[0],
    firstRound: election.counts,
    finalist: s,
    round1,
    round2,
    bindingRound,
    rivals,
  }
}

function finalLead(election: Election, y: number, c: number): number {
  const { classes, prefers } = election
  return prefers[y * classes + c] - prefers[c * classes + y] + (c > y ? 1 : 0)
}

/**
 * Run-Off Election on disjoint partitions (also for DPA*, whose learners are sums over seeds).
 *
 * @param ballots [learners, classes] class indices best first, row-major
 */
export function certifyRunOff(ballots: ArrayLike<number>, classes: number): RunOffPrediction {
  const election = elect(ballots, classes)
  const half = (gap: number) => Math.ceil(Math.max(0, gap) / 2)
  return certifyWith(election, {
    single: (a, b) => half(lead(election.counts, a, b)),
    pair: (y, first, second) => fewestForTwoGaps(lead(election.counts, y, first), lead(election.counts, y, second)),
    final: (y, c) => half(finalLead(election, y, c)),
  })
}

/**
 * Run-Off Election on Finite Aggregation: as above with summed bucket powers (paper, section 4.2 and appendix).
 *
 * @param ballots [kd, classes] class indices best first, row-major
 * @param offsets [d] the spread
 */
export function certifyRunOffFinite(
  ballots: ArrayLike<number>,
  classes: number,
  offsets: readonly number[],
): RunOffPrediction {
  const election = elect(ballots, classes)
  const { learners, counts } = election
  checkOffsets(offsets, learners)
  const d = offsets.length
  const votes = new Uint16Array(learners)
  for (let i = 0; i < learners; i++) votes[i] = ballots[i * classes]
  const reached = reachedVotes(votes, classes, offsets)
  const powers = new Int32Array(learners)

  // single() is asked for by every pair that contains the class, and costs O(kd); remember it.
  const singles = new Map<number, number>()
  const single = (a: number, b: number): number => {
    const key = a * classes + b
    const known = singles.get(key)
    if (known !== undefined) return known
    for (let j = 0; j < learners; j++) powers[j] = d + reached[a * learners + j] - reached[b * learners + j]
    const cost = fewestToReach(powers, lead(counts, a, b), 2 * d)
    singles.set(key, cost)
    return cost
  }
  return certifyWith(election, {
    single,
    pair: (y, c1, c2) => {
      // A negative gap stays negative here: a learner moved from one rival to the other spends slack of the first.
      const [rowY, row1, row2] = [y * learners, c1 * learners, c2 * learners]
      for (let j = 0; j < learners; j++) powers[j] = d + 2 * reached[rowY + j] - reached[row1 + j] - reached[row2 + j]
      const both = fewestToReach(powers, lead(counts, y, c1) + lead(counts, y, c2), 3 * d)
      return Math.max(single(y, c1), single(y, c2), both)
    },
    final: (y, c) => {
      const gap = finalLead(election, y, c)
      if (gap <= 0) return 0
      powers.fill(0)
      for (let i = 0; i < learners; i++) {
        const worth = votes[i] === classes ? 1 : ranksAbove(ballots, i * classes, y, c) ? 2 : 0
        if (worth === 0) continue
        for (const offset of offsets) powers[i >= offset ? i - offset : i - offset + learners] += worth
      }
      return fewestToReach(powers, gap, 2 * d)
    },
  })
}

/** Whether the ballot that starts at `row` has class `a` before class `b`. */
function ranksAbove(ballots: ArrayLike<number>, row: number, a: number, b: number): boolean {
  for (let p = row; ; p++) {
    if (ballots[p] === a) return true
    if (ballots[p] === b) return false
  }
}
