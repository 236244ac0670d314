/** What poisoned buckets can take off a lead where each reaches several learners (Finite Aggregation, Wang, Levine & Feizi, ICML 2022). */
import { invalidArgument } from '../../core/errors.ts'

/** Throws unless `offsets` are distinct integers in 0..learners-1. */
export function checkOffsets(offsets: readonly number[], learners: number): void {
  const seen = new Set<number>()
  for (const offset of offsets) {
    if (!Number.isInteger(offset) || offset < 0 || offset >= learners || seen.has(offset))
      throw invalidArgument('offsets', `distinct integers from 0 to ${learners - 1}`, offsets.join(','))
    seen.add(offset)
  }
  if (offsets.length === 0) throw invalidArgument('offsets', 'at least one offset', '')
}

/**
 * Which learners vote for each class, and which buckets reach them. No table of classes x learners is kept: with many classes
 * most of its rows would be empty, or never read.
 */
export class VoteReach {
  readonly learners: number
  private readonly offsets: readonly number[]
  private readonly voters = new Map<number, number[]>()

  /** @param votes [learners] class indices, `classes` for an abstention */
  constructor(votes: ArrayLike<number>, classes: number, offsets: readonly number[]) {
    this.learners = votes.length
    this.offsets = offsets
    for (let i = 0; i < votes.length; i++) {
      if (votes[i] >= classes) continue // abstains: votes for nobody
      const voters = this.voters.get(votes[i])
      if (voters === undefined) this.voters.set(votes[i], [i])
      else voters.push(i)
    }
  }

  /** Adds to each bucket `amount` for every learner that it reaches and that votes for class `c`. */
  add(powers: Int32Array, c: number, amount: number): void {
    for (const i of this.voters.get(c) ?? []) this.addLearner(powers, i, amount)
  }

  /** Adds `amount` to each bucket that reaches learner `i`. */
  addLearner(powers: Int32Array, i: number, amount: number): void {
    for (const offset of this.offsets) powers[i < offset ? i - offset + this.learners : i - offset] += amount
  }

  /** [buckets] what a poisoned sample in each bucket may take off the lead of `a` over any class without votes: d to 2d. */
  powersOf(a: number): Int32Array {
    const powers = new Int32Array(this.learners).fill(this.offsets.length)
    this.add(powers, a, 1)
    return powers
  }
}

/**
 * Fewest buckets whose summed powers reach `gap`; 0 when there is no gap. Counting sort, largest first.
 *
 * Overlapping buckets are counted twice, which can only make the answer smaller: sound, possibly loose.
 *
 * @param powers [buckets] integers in 0..maximum
 */
export function fewestToReach(powers: ArrayLike<number>, gap: number, maximum: number): number {
  if (gap <= 0) return 0
  const histogram = new Int32Array(maximum + 1)
  for (let j = 0; j < powers.length; j++) histogram[powers[j]]++
  let need = 0
  let left = gap
  for (let power = maximum; power > 0; power--) {
    const available = histogram[power]
    if (available * power >= left) return need + Math.ceil(left / power)
    need += available
    left -= available * power
  }
  return Number.POSITIVE_INFINITY
}
