/**
 * Ballots: what every learner says about every input, as strict orders of the classes.
 */
import { invalidArgument } from '../core/errors.ts'

export interface Ballots {
  readonly inputs: number
  readonly learners: number
  readonly classes: number
  /** Ranks kept of each ballot: `classes` for full rankings, 1 for first choices only (enough for DPA and FA). */
  readonly places: number
  /** [inputs, learners, places] class indices, best first. An abstaining ballot holds `classes` in every place. */
  readonly ranks: Uint8Array | Uint16Array
}

/** Room for ballots, visible to worker threads. */
export function emptyBallots(inputs: number, learners: number, classes: number, places: number): Ballots {
  const length = inputs * learners * places
  const ranks =
    classes < 256 ? new Uint8Array(new SharedArrayBuffer(length)) : new Uint16Array(new SharedArrayBuffer(2 * length))
  return { inputs, learners, classes, places, ranks }
}

/** [learners, places] of one input. */
export function ballotsOfInput(ballots: Ballots, input: number): Uint8Array | Uint16Array {
  const size = ballots.learners * ballots.places
  return ballots.ranks.subarray(input * size, (input + 1) * size)
}

/** [learners] first choices of one input. */
export function votesOfInput(ballots: Ballots, input: number): Uint8Array | Uint16Array {
  const mine = ballotsOfInput(ballots, input)
  if (ballots.places === 1) return mine
  const votes = ballots.classes < 256 ? new Uint8Array(ballots.learners) : new Uint16Array(ballots.learners)
  for (let i = 0; i < votes.length; i++) votes[i] = mine[i * ballots.places]
  return votes
}

/**
 * Writes one strict ballot: score descending, then class index ascending. The same order serves every round of every rule,
 * so equal scores (common in low precision) can never be counted for both sides.
 *
 * A voter that says which classes it `knows` (those of its own samples) puts the best of these first. Otherwise a voter that
 * dislikes all of them would vote for one that it has never seen, and for which one would depend on the list of classes, which
 * others can make longer.
 *
 * @param scores `classes` numbers from `from` on; NaN is refused
 * @param knows [classes] 1 where the voter has samples of a class; at least one. Default: all.
 */
export function writeBallot(
  scores: ArrayLike<number>,
  from: number,
  classes: number,
  ranks: Uint8Array | Uint16Array,
  to: number,
  places: number,
  knows?: ArrayLike<number>,
): void {
  if (places === 1) {
    let best = -1
    for (let c = 0; c < classes; c++) {
      const score = scores[from + c]
      if (Number.isNaN(score)) throw invalidArgument('scores', 'numbers', score)
      if (knows !== undefined && knows[c] === 0) continue
      if (best < 0 || score > scores[from + best]) best = c
    }
    ranks[to] = best
    return
  }
  for (let c = 0; c < classes; c++) {
    const score = scores[from + c]
    if (Number.isNaN(score)) throw invalidArgument('scores', 'numbers', score)
    let place = c
    while (place > 0 && scores[from + ranks[to + place - 1]] < score) {
      ranks[to + place] = ranks[to + place - 1]
      place--
    }
    ranks[to + place] = c
  }
  if (knows === undefined) return
  let first = 0
  while (knows[ranks[to + first]] === 0) first++
  const favorite = ranks[to + first]
  ranks.copyWithin(to + 1, to, to + first)
  ranks[to] = favorite
}

/**
 * Ballots from any system's scores.
 *
 * @param scores [inputs, learners * seeds, classes] row-major, higher is better; `seeds` neighbours share a partition
 * @param options `seeds` (DPA*): learners trained on the same partition with different seeds, whose scores are added up in
 *   order to one ballot, default 1; `places`: ranks kept, default all; `knows` [learners, classes]: see `writeBallot`; a learner
 *   that knows no class votes for nobody
 */
export function ballotsFromScores(
  scores: ArrayLike<number>,
  inputs: number,
  learners: number,
  classes: number,
  {
    seeds = 1,
    places = classes,
    knows,
  }: { readonly seeds?: number; readonly places?: number; readonly knows?: Uint8Array } = {},
): Ballots {
  if (scores.length !== inputs * learners * seeds * classes)
    throw invalidArgument('scores', `${inputs} x ${learners * seeds} x ${classes} numbers`, scores.length)
  const ballots = emptyBallots(inputs, learners, classes, places)
  const sum = new Float64Array(classes)
  for (let row = 0; row < inputs * learners; row++) {
    const learner = row % learners
    const own = knows?.subarray(learner * classes, (learner + 1) * classes)
    if (own?.includes(1) === false) {
      ballots.ranks.fill(classes, row * places, (row + 1) * places)
      continue
    }
    sum.fill(0)
    for (let s = 0; s < seeds; s++) for (let c = 0; c < classes; c++) sum[c] += scores[(row * seeds + s) * classes + c]
    writeBallot(sum, 0, classes, ballots.ranks, row * places, places, own)
  }
  return ballots
}
