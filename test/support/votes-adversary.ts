/**
 * What an adversary that tries everything leaves of drawn votes.
 *
 * Captured learners may cast any ballot of `relevant` classes: those with votes and two without on each side of them. Any other
 * class is as one of these.
 */
import { allRankings, combinations, disjointReach, spreadReach } from '../../src/certify/rules/brute-force.ts'
import type { RandomStream } from '../../src/core/random.ts'
import { drawCase, type VotesCase } from './votes-cases.ts'

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

export interface TrueCertificate {
  readonly prediction: number
  readonly radius: number
  /** An answer equal to this means "at least". */
  readonly limit: number
  readonly earliness?: number
  /** Fewest poisoned samples with which the target may come out; one that is equal to `limit` means "at least". */
  readonly target: { readonly poisons: number; readonly limit: number }
}

/** Whether some ballots of these learners bring about an answer that is wanted. */
type CanReach = (captured: readonly number[], wanted: (answer: number) => boolean) => boolean

/** [inputs] by exhaustion. */
export function trueCertificates(drawn: VotesCase): TrueCertificate[] {
  return drawn.votes.map((_, t) => {
    const { before, canReach } = electionOf(drawn, t)
    const limit = isRanked(drawn) ? 2 : drawn.learners
    const breaks = (captured: readonly number[]) => canReach(captured, (answer) => answer !== before)
    const elects = (captured: readonly number[]) => canReach(captured, (answer) => answer === drawn.target)
    return { prediction: before, ...radiusOf(drawn, breaks, limit), target: costOf(drawn, elects, limit) }
  })
}

/** Several inputs, most of them predicted right: what the bound on all inputs together is about. */
export function drawTogether(stream: RandomStream): VotesCase {
  const drawn = drawCase(stream, { inputs: 3 + stream.integer(5) })
  const labels = drawn.labels.map((label, t) => (stream.integer(4) === 0 ? label : electionOf(drawn, t).before))
  const unlabeled = drawn.dialect.startsWith('npy ') || drawn.dialect === 'headless'
  return {
    ...drawn,
    labels: labels.map((label, t) => (t === 0 ? electionOf(drawn, 0).before : label)),
    dialect: unlabeled ? 'comma' : drawn.dialect,
  }
}

/** What attacks on all inputs at once do, by exhaustion. */
export interface TrueTogether {
  /** Inputs with a true class, and how many of them are predicted right. */
  readonly known: number
  readonly right: number
  /** [budgets] most right predictions that one attack of at most so many poisoned samples changes. */
  readonly changed: readonly number[]
}

/** A captured learner may vote differently on each input: which learners are captured is all that inputs have in common. */
export function trueTogether(drawn: VotesCase, budgets: readonly number[]): TrueTogether {
  const known = drawn.labels.flatMap((label, t) => (label === null ? [] : [{ label, ...electionOf(drawn, t) }]))
  const right = known.filter(({ label, before }) => label === before)
  const changed = budgets.map((budget) =>
    attacksOf(drawn, budget)
      .map((captured) => right.filter(({ before, canReach }) => canReach(captured, (answer) => answer !== before)))
      .reduce((most, { length }) => Math.max(most, length), 0),
  )
  return { known: known.length, right: right.length, changed }
}

/** [attacks][] learners that the largest attacks of this budget capture. */
function attacksOf(drawn: VotesCase, budget: number): number[][] {
  const reach = reachOf(drawn)
  if (drawn.rule !== 'temporal')
    return [...combinations(reach.length, Math.min(budget, reach.length))].map((some) => [
      ...new Set(some.flatMap((j) => reach[j])),
    ])
  const periods = drawn.learners + drawn.coverage - 1
  const length = Math.min(budget, periods)
  return range(periods - length + 1).map((from) => readersOf(drawn, from, length))
}

const isRanked = ({ rule }: VotesCase): boolean => rule === 'roe' || rule === 'roe_fa'

/** What comes out for an input, and what ballots of captured learners bring about. */
function electionOf(drawn: VotesCase, t: number): { readonly before: number; readonly canReach: CanReach } {
  const ballots = range(drawn.learners).map((i) => ballotOf(drawn, t, i))
  const classes = relevant(drawn, ballots)
  const ranked = isRanked(drawn)
  const winner = ranked ? runOff : plurality
  const choices = ranked
    ? [...allRankings(classes.length).map((order) => order.map((c) => classes[c])), []]
    : [...classes.map((c) => [c]), []]
  const canReach: CanReach = (captured, wanted) => {
    const cast = [...ballots]
    const assign = (depth: number): boolean => {
      if (depth === captured.length) return wanted(winner(cast, drawn.classes))
      // All captured learners of a plurality do best to vote together; those of a run-off may not.
      return choices.some((choice) => {
        if (ranked) {
          cast[captured[depth]] = choice
          return assign(depth + 1)
        }
        for (const i of captured) cast[i] = choice
        return wanted(winner(cast, drawn.classes))
      })
    }
    return assign(0)
  }
  return { before: winner(ballots, drawn.classes), canReach }
}

/** Learners that read one of these periods. */
function readersOf({ learners, coverage }: VotesCase, from: number, length: number): number[] {
  return range(learners).filter((i) => length > 0 && i <= from + length - 1 && i + coverage - 1 >= from)
}

/** [units][] the learners that each poisoned sample reaches. */
function reachOf({ rule, learners, offsets, groups }: VotesCase): readonly (readonly number[])[] {
  const size = learners / groups
  if (rule === 'groups') return range(groups).map((g) => range(size).map((i) => g * size + i))
  return offsets.length > 1 ? spreadReach(learners, offsets) : disjointReach(learners)
}

function costOf(drawn: VotesCase, elects: (captured: readonly number[]) => boolean, limit: number) {
  const periods = drawn.learners + drawn.coverage - 1
  const reach = reachOf(drawn)
  const most = drawn.rule === 'temporal' ? periods : Math.min(limit, reach.length)
  const elected = (poisons: number): boolean =>
    drawn.rule === 'temporal'
      ? range(periods - poisons + 1).some((from) => elects(readersOf(drawn, from, poisons)))
      : [...combinations(reach.length, poisons)].some((some) => elects([...new Set(some.flatMap((j) => reach[j]))]))
  return { poisons: range(most + 1).find(elected) ?? most + 1, limit: most + 1 }
}

function radiusOf(drawn: VotesCase, breaks: (captured: readonly number[]) => boolean, limit: number) {
  if (drawn.rule === 'temporal') {
    const periods = drawn.learners + drawn.coverage - 1
    const somewhere = (length: number) =>
      range(periods - length + 1).some((from) => breaks(readersOf(drawn, from, length)))
    const largest = (fails: (length: number) => boolean) =>
      range(periods).find((length) => fails(length + 1)) ?? periods
    return {
      radius: largest(somewhere),
      limit: periods,
      earliness: largest((length) => breaks(readersOf(drawn, periods - length, length))),
    }
  }
  const reach = reachOf(drawn)
  const most = Math.min(limit, reach.length)
  for (let t = 1; t <= most; t++) {
    for (const buckets of combinations(reach.length, t))
      if (breaks([...new Set(buckets.flatMap((bucket) => reach[bucket]))])) return { radius: t - 1, limit: most }
  }
  return { radius: most, limit: most }
}

/** Classes, best first; none for an abstention. */
function ballotOf({ kind, votes, scores, seeds, classes }: VotesCase, t: number, i: number): readonly number[] {
  if (kind === 'votes') return votes[t][i] < 0 ? [] : [votes[t][i]]
  const sums = range(classes).map((c) => range(seeds).reduce((sum, s) => sum + scores[t][i * seeds + s][c], 0))
  return range(classes).sort((a, b) => sums[b] - sums[a] || a - b)
}

function relevant({ classes }: VotesCase, ballots: readonly (readonly number[])[]): number[] {
  if (classes <= 8) return range(classes)
  const voted = new Set(ballots.flat())
  const free = range(Math.min(classes, 20)).filter((c) => !voted.has(c))
  const last = range(20)
    .map((i) => classes - 1 - i)
    .filter((c) => !voted.has(c))
  return [...new Set([...voted, ...free.slice(0, 2), ...last.slice(0, 2)])].sort((a, b) => a - b)
}

function plurality(ballots: readonly (readonly number[])[], classes: number): number {
  const counts = new Map<number, number>()
  for (const [first] of ballots) if (first !== undefined) counts.set(first, (counts.get(first) ?? 0) + 1)
  let [best, most] = [0, counts.get(0) ?? 0]
  for (const [c, count] of counts) if (count > most || (count === most && c < best)) [best, most] = [c, count]
  return best < classes ? best : 0
}

function runOff(ballots: readonly (readonly number[])[], classes: number): number {
  const counts = range(classes).map((c) => ballots.filter(([first]) => first === c).length)
  const [a, b] = range(classes).sort((x, y) => counts[y] - counts[x] || x - y)
  const wins = ballots.filter((ballot) => ballot.length > 0).map((ballot) => ballot.indexOf(a) < ballot.indexOf(b))
  const forA = wins.filter(Boolean).length
  const forB = wins.length - forA
  return forA === forB ? Math.min(a, b) : forA > forB ? a : b
}
