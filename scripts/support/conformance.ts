/** The form of conformance vectors (examples/conformance), and what the script and the test of them share. */
import { emptyBallots } from '../../src/certify/rules/ballot.ts'
import { certifyUnitFlips } from '../../src/certify/rules/label-flip.ts'
import type { RunRule } from '../../src/certify/rules/list.ts'
import { type Ballots, certifyBallots } from '../../src/certify.ts'

export interface Vector {
  readonly id: string
  readonly rule: RunRule
  readonly classes: number
  /** [learners] class of each; -1 abstains. */
  readonly votes?: readonly number[]
  /** [learners] all classes, best first; empty for one that abstains. */
  readonly rankings?: readonly (readonly number[])[]
  readonly offsets?: readonly number[]
  readonly groups?: number
  readonly coverage?: number
  /** [learners][classes + 1] flipped labels until a learner votes for each class, then for any other than now; null: never. */
  readonly flips?: readonly (readonly (number | null)[])[]
  /** Labels of all learners together. */
  readonly samples?: number
  readonly expected: {
    readonly prediction: number
    readonly radius: number
    readonly exact: number
    readonly labelRadius?: number
    readonly exactLabelRadius?: number
    readonly earliness?: number
    readonly exactEarliness?: number
  }
}

export type Question = Omit<Vector, 'expected'>

/** What the rules of this program say. */
export function certifyVector(question: Question) {
  const { rule, classes, votes = [], flips = [], samples = 0, offsets, groups, coverage } = question
  if (rule !== 'dpa_white_box') return certifyBallots(ballotsOfLists(question), { rule, offsets, groups, coverage })[0]
  const costs = Float32Array.from(flips.flat(), (cost) => cost ?? Number.POSITIVE_INFINITY)
  return {
    ...certifyUnitFlips(costs, votes, classes, { samples, largestUnit: 1 }),
    labelRadius: undefined,
    earliness: undefined,
  }
}

/** Ballots of one input. */
function ballotsOfLists({ classes, votes, rankings }: Pick<Vector, 'classes' | 'votes' | 'rankings'>): Ballots {
  const lists = rankings ?? (votes ?? []).map((vote) => (vote < 0 ? [] : [vote]))
  const places = rankings === undefined ? 1 : classes
  const ballots = emptyBallots(1, lists.length, classes, places)
  for (const [i, list] of lists.entries())
    for (let place = 0; place < places; place++) ballots.ranks[i * places + place] = list[place] ?? classes
  return ballots
}

/**
 * The winner of a run-off, as its rule says it and without the bookkeeping of the certificate: the two classes with most first places,
 * then the one that more learners rank above the other. Ties go to the smaller class. An empty ballot counts for nobody.
 */
export function electRunOff(ballots: readonly (readonly number[])[], classes: number): number {
  const all = Array.from({ length: classes }, (_, c) => c)
  const firsts = (c: number) => ballots.filter(([first]) => first === c).length
  const [a, b] = all.toSorted((x, y) => firsts(y) - firsts(x) || x - y)
  const above = (x: number, y: number) =>
    ballots.filter((ballot) => ballot.length > 0 && ballot.indexOf(x) < ballot.indexOf(y)).length
  const [low, high] = a < b ? [a, b] : [b, a]
  return above(low, high) >= above(high, low) ? low : high
}
