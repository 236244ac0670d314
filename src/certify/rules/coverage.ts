/**
 * Finite Aggregation without double counting. The published certificate adds bucket powers as if buckets never shared a
 * learner; here the attack's cheapest *union* is searched, which is exactly the black-box radius: capturing a learner and
 * making it vote for the rival is the best an attack on a plurality can do.
 *
 * For each number of buckets, from the published sum upwards, each rival is ruled out by the bound of `boundCover`, or by the search
 * of `searchCover`; a greedy attack of that size ends it. The work is counted and limited for each input; where the limit stops it,
 * the answer is the last number that was proved: sound, maybe loose, and said to be so.
 */

import { checkOffsets, fewestToReach, VoteReach } from './bucket-powers.ts'
import { boundCover, type Cover, fullPrices, type WorkBudget } from './cover-bound.ts'
import { greedyCover } from './cover-greedy.ts'
import { searchCover } from './cover-search.ts'
import { finiteAggregation } from './finite-aggregation.ts'
import { layouts } from './names.ts'
import { type CertifiedPrediction, distinctRivals, lead, plurality, tally, worthOfVote } from './plurality.ts'
import { type AggregationRule, ofOneRival } from './rule.ts'

export interface CoveragePrediction extends CertifiedPrediction {
  /** Any of the classes that need the same number of poisoned samples, not always the smallest. */
  readonly rival: number
  /** Whether the radius is the exact black-box radius. False: the search was cut short, the radius is a lower bound. */
  readonly exact: boolean
  /** Buckets of an attack one poisoned sample beyond the radius that elects the rival; empty when none was found. */
  readonly attack: readonly number[]
}

export interface CoverageOptions {
  /**
   * Work for one input, in buckets looked at; the same everywhere, unlike time. Default 2^26, some tenths of a second at most.
   */
  readonly work?: number
}

type Attack = Pick<CoveragePrediction, 'rival' | 'exact' | 'attack'>

/** What is known of one rival. */
interface Candidate {
  readonly rival: number
  readonly gap: number
  /** Buckets that the rival needs at least, by the published sum. */
  readonly least: number
}

/** With fewer rivals than this in question, bounding them together first costs more than it saves. */
const fewRivals = 4

/**
 * Prediction and exact radius of Finite Aggregation for one input.
 *
 * @param votes [kd] class indices, `classes` for an abstention
 * @param offsets [d] the spread; learner i is trained on buckets (i - offset) mod kd
 * @throws VideoMaeError `INVALID_ARGUMENT` for a vote outside 0..classes, or fewer than two classes
 */
export function certifyFiniteAggregationExact(
  votes: ArrayLike<number>,
  classes: number,
  offsets: readonly number[],
  options: CoverageOptions = {},
): CoveragePrediction {
  checkOffsets(offsets, votes.length)
  const coverage = new Coverage(votes, classes, offsets, options.work ?? 2 ** 26)
  for (let need = coverage.least; ; need++) {
    const attack = coverage.attackOf(need)
    if (attack !== null) return { prediction: coverage.prediction, radius: need - 1, ...attack }
  }
}

/** The rivals of one prediction, and the work that is left for them. */
class Coverage {
  readonly prediction: number
  private readonly votes: ArrayLike<number>
  private readonly offsets: readonly number[]
  private readonly budget: WorkBudget
  private readonly reach: VoteReach
  /** [buckets] */
  private readonly powersOfPrediction: Int32Array
  private readonly candidates: readonly Candidate[]
  /** [learners] what each is worth to a class without votes: to any other rival it is worth no more. */
  private readonly worthToNobody: Int32Array
  /** [learners] the last prices that were found for all rivals together. */
  private commonPrices: Int32Array
  private readonly covers = new Map<number, Cover>()
  /** Buckets of an attack for each rival; not always of the smallest. */
  private readonly greedy = new Map<number, readonly number[]>()

  constructor(votes: ArrayLike<number>, classes: number, offsets: readonly number[], work: number) {
    this.votes = votes
    this.offsets = offsets
    this.budget = { left: work }
    const counts = tally(votes, classes)
    this.prediction = plurality(counts)
    this.reach = new VoteReach(votes, classes, offsets)
    this.powersOfPrediction = this.reach.powersOf(this.prediction)
    this.candidates = distinctRivals(counts, this.prediction).map((rival): Candidate => {
      const gap = lead(counts, this.prediction, rival)
      return { rival, gap, least: fewestToReach(this.powersOver(rival), gap, 2 * offsets.length) }
    })
    this.worthToNobody = this.worthTo(-1)
    this.commonPrices = fullPrices(this.worthToNobody)
  }

  /** Fewer buckets elect no rival. */
  get least(): number {
    return Math.min(...this.candidates.map(({ least }) => least))
  }

  /**
   * Whether `need` buckets are enough for any of the rivals, none of which fewer are enough for.
   *
   * @returns null where it is proved that they are not
   */
  attackOf(need: number): Attack | null {
    let open = this.openTogether(need)
    for (const { rival, gap } of open) {
      const attack = this.greedyAttack(rival, gap)
      if (attack?.length === need) return { rival, exact: true, attack }
    }
    open = open.filter((candidate) => this.openAlone(candidate, need))
    let unknown: Attack | null = null
    for (const { rival } of open) {
      if (this.budget.left <= 0) return unknown ?? { rival, exact: false, attack: [] }
      const found = searchCover(this.covers.get(rival)!, this.offsets, need, this.budget)
      if (found === 'unknown') unknown ??= { rival, exact: false, attack: [] }
      else if (found !== 'none') return { rival, exact: true, attack: found }
    }
    return unknown
  }

  /** Candidates that neither the published sum rules out nor one bound for all of them. */
  private openTogether(need: number): readonly Candidate[] {
    const open = this.candidates.filter(({ least }) => least <= need)
    if (open.length < fewRivals) return open
    const gap = Math.min(...open.map((candidate) => candidate.gap))
    const cover = { worth: this.worthToNobody, gap, prices: this.commonPrices }
    const { most, prices } = boundCover(cover, this.offsets, need, this.budget)
    this.commonPrices = prices
    return open.filter((candidate) => candidate.gap <= most)
  }

  /** Whether the bound of this candidate leaves it open. Keeps the prices for the search and for the next number of buckets. */
  private openAlone({ rival, gap }: Candidate, need: number): boolean {
    if (this.budget.left <= 0) return true
    const known = this.covers.get(rival)
    const worth = known?.worth ?? this.worthTo(rival)
    const full = known === undefined ? fullPrices(worth) : null
    const start = known?.prices ?? this.commonPrices.map((price, i) => Math.min(price, full![i]))
    const { most, prices } = boundCover({ worth, gap, prices: start }, this.offsets, need, this.budget)
    this.covers.set(rival, { worth, gap, prices })
    return most >= gap
  }

  /** null when the work is used up */
  private greedyAttack(rival: number, gap: number): readonly number[] | null {
    const known = this.greedy.get(rival)
    if (known !== undefined || this.budget.left <= 0) return known ?? null
    const attack = greedyCover(this.worthTo(rival), this.powersOver(rival), gap, this.offsets, this.budget)
    this.greedy.set(rival, attack)
    return attack
  }

  /** [learners] what capturing each takes off the lead of the prediction over a rival; -1: one without votes. */
  private worthTo(rival: number): Int32Array {
    return Int32Array.from(this.votes, (vote) => worthOfVote(vote, this.prediction, rival))
  }

  /** [buckets] the same for all learners that each reaches, added up. */
  private powersOver(rival: number): Int32Array {
    const powers = this.powersOfPrediction.slice()
    this.reach.add(powers, rival, -1)
    return powers
  }
}

/** The ensemble of Finite Aggregation; overlaps of buckets are counted once (slower, never below `fa`). */
export const finiteAggregationExact = {
  ...{ name: 'fa_exact', title: 'FA exact', layout: layouts.fa_exact, counts: 'votes' },
  ...{ saysExact: true, stroke: 'dotted' },
  certifier:
    ({ classes, offsets }) =>
    (votes) => {
      const certified = certifyFiniteAggregationExact(votes, classes, offsets)
      return { ...ofOneRival(certified), exact: certified.exact }
    },
  // Both are of the votes and of what a bucket reaches, as for `fa`.
  collective: finiteAggregation.collective,
  targeted: finiteAggregation.targeted,
} as const satisfies AggregationRule
