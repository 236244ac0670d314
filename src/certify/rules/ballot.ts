/**
 * Ballots: what every learner says about every input, as strict orders of the classes.
 */
import { invalidArgument, VideoMaeError } from '../../core/errors.ts'
import { checkClasses } from './plurality.ts'

/** Class indices as narrow as their number allows. */
export type BallotRanks = Uint8Array | Uint16Array | Uint32Array

/** What each learner of an ensemble votes for, for each input. */
export interface Ballots {
  /** Number of inputs. */
  readonly inputs: number
  /** Number of ballots for each input. */
  readonly learners: number
  /** Number of classes. */
  readonly classes: number
  /** Ranks kept of each ballot: `classes` for full rankings, 1 for first choices only (enough for DPA and FA). */
  readonly places: number
  /** [inputs, learners, places] class indices, best first. An abstaining ballot holds `classes` in every place. */
  readonly ranks: BallotRanks
}

/** Bytes of a class index, and of the number of classes itself, which stands for an abstention. */
export function rankBytes(classes: number): 1 | 2 | 4 {
  if (classes < 2 ** 8) return 1
  return classes < 2 ** 16 ? 2 : 4
}

/**
 * How many inputs can be voted on at once.
 *
 * @param bytes that their ballots may take
 * @param places ranks kept of each ballot
 */
export function inputsPerTurn(
  { learners, classes, places }: { readonly learners: number; readonly classes: number; readonly places: number },
  bytes: number,
): number {
  return Math.max(1, Math.floor(bytes / (learners * places * rankBytes(classes))))
}

function ranksIn(buffer: ArrayBufferLike, bytes: 1 | 2 | 4): BallotRanks {
  if (bytes === 1) return new Uint8Array(buffer)
  return bytes === 2 ? new Uint16Array(buffer) : new Uint32Array(buffer)
}

/**
 * Room for ballots, visible to worker threads.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, `BALLOTS_TOO_LARGE` where the machine has no memory for them
 */
export function emptyBallots(inputs: number, learners: number, classes: number, places: number): Ballots {
  checkClasses(classes)
  const width = rankBytes(classes)
  const bytes = inputs * learners * places * width
  try {
    return { inputs, learners, classes, places, ranks: ranksIn(new SharedArrayBuffer(bytes), width) }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new VideoMaeError(
      `Expected memory for the ballots of ${inputs} inputs, ${learners} base classifiers and ${places} ranks, but ${(bytes / 2 ** 30).toFixed(1)} GiB are not available.`,
      {
        code: 'BALLOTS_TOO_LARGE',
        exit: 'environment',
        hint: 'Use fewer inputs at a time, or rules that need only first choices (dpa, fa, fa_exact).',
        cause: error,
      },
    )
  }
}

/**
 * The first rank that makes a ballot none: a ballot is a class, a strict order of all classes, or `classes` in every place. An order
 * with a class twice would have rules count votes that nobody cast, or look for a class without end.
 *
 * @param ranks [ballots, places]
 */
export function firstOddRank(
  ranks: ArrayLike<number>,
  ballots: number,
  classes: number,
  places: number,
): { readonly ballot: number; readonly place: number } | null {
  const seenBy = new Int32Array(classes).fill(-1)
  for (let ballot = 0; ballot < ballots; ballot++) {
    const at = ballot * places
    const silent = ranks[at] === classes
    for (let place = 0; place < places; place++) {
      const rank = ranks[at + place]
      const fits = silent ? rank === classes : rank < classes && (places === 1 || seenBy[rank] !== ballot)
      if (!fits) return { ballot, place }
      if (!silent) seenBy[rank] = ballot
    }
  }
  return null
}

/**
 * Refuses ballots whose sizes do not fit together: rules would count votes of another input, or none.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function requireBallots({ inputs, learners, classes, places, ranks }: Ballots): void {
  checkClasses(classes)
  for (const [name, count] of Object.entries({ inputs, learners }))
    if (!Number.isSafeInteger(count) || count < 0)
      throw invalidArgument(`ballots.${name}`, 'a whole number from 0 up', count)
  if (places !== 1 && places !== classes)
    throw invalidArgument('ballots.places', `1, or ${classes} as there are classes`, places)
  if (!(ranks instanceof Uint8Array || ranks instanceof Uint16Array || ranks instanceof Uint32Array))
    throw invalidArgument('ballots.ranks', 'an array of unsigned whole numbers', Object.prototype.toString.call(ranks))
  if (ranks.length !== inputs * learners * places)
    throw invalidArgument('ballots.ranks', `${inputs} x ${learners} x ${places} ranks`, ranks.length)
}

/** [learners, places] of one input. */
export function ballotsOfInput(ballots: Ballots, input: number): BallotRanks {
  const size = ballots.learners * ballots.places
  return ballots.ranks.subarray(input * size, (input + 1) * size)
}

/** [learners] first choices of one input. */
export function votesOfInput(ballots: Ballots, input: number): BallotRanks {
  const mine = ballotsOfInput(ballots, input)
  if (ballots.places === 1) return mine
  const width = rankBytes(ballots.classes)
  const votes = ranksIn(new ArrayBuffer(ballots.learners * width), width)
  for (let i = 0; i < votes.length; i++) votes[i] = mine[i * ballots.places]
  return votes
}

/** The ballots of some inputs, in this order. */
export function ballotsOfInputs(ballots: Ballots, chosen: readonly number[]): Ballots {
  const size = ballots.learners * ballots.places
  const some = emptyBallots(chosen.length, ballots.learners, ballots.classes, ballots.places)
  for (const [t, input] of chosen.entries()) some.ranks.set(ballotsOfInput(ballots, input), t * size)
  return some
}

/** @param parts at least one, of the same ensemble */
export function joinedBallots(parts: readonly Ballots[]): Ballots {
  const { learners, classes, places } = parts[0]
  const all = emptyBallots(
    parts.reduce((sum, { inputs }) => sum + inputs, 0),
    learners,
    classes,
    places,
  )
  let at = 0
  for (const { ranks } of parts) {
    all.ranks.set(ranks, at)
    at += ranks.length
  }
  return all
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
  ranks: BallotRanks,
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
  for (let c = 0; c < classes; c++)
    if (Number.isNaN(scores[from + c])) throw invalidArgument('scores', 'numbers', Number.NaN)
  if (classes > longInsertion) {
    const order = ranks.subarray(to, to + classes)
    for (let c = 0; c < classes; c++) order[c] = c
    // Not the difference: infinite scores have none.
    order.sort((a, b) => (scores[from + a] > scores[from + b] ? -1 : scores[from + a] < scores[from + b] ? 1 : a - b))
  } else {
    for (let c = 0; c < classes; c++) {
      const score = scores[from + c]
      let place = c
      while (place > 0 && scores[from + ranks[to + place - 1]] < score) {
        ranks[to + place] = ranks[to + place - 1]
        place--
      }
      ranks[to + place] = c
    }
  }
  if (knows === undefined) return
  let first = 0
  while (knows[ranks[to + first]] === 0) first++
  const favorite = ranks[to + first]
  ranks.copyWithin(to + 1, to, to + first)
  ranks[to] = favorite
}

/** Classes from which on a sort beats insertion into the ballot. */
const longInsertion = 64

/**
 * Ballots from any system's scores.
 *
 * @param scores [inputs, learners * seeds, classes] row-major, higher is better; `seeds` neighbors share a partition
 * @param options `seeds` (DPA*): learners trained on the same partition with different seeds, whose scores are added up in
 *   order to one ballot, default 1; `places`: ranks kept, default all; `knows` [learners, classes]: see `writeBallot`; a learner
 *   that knows no class votes for nobody
 * @throws VideoMaeError `INVALID_ARGUMENT`
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
  for (const [name, count] of Object.entries({ inputs, learners, seeds }))
    if (!Number.isSafeInteger(count) || count < (name === 'seeds' ? 1 : 0))
      throw invalidArgument(name, `a whole number from ${name === 'seeds' ? 1 : 0} up`, count)
  if (places !== 1 && places !== classes)
    throw invalidArgument('places', `1, or ${classes} as there are classes`, places)
  if (knows !== undefined && knows.length !== learners * classes)
    throw invalidArgument('knows', `${learners} x ${classes} values`, knows.length)
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
