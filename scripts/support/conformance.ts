/** The form of conformance vectors (examples/conformance), and what the script and the test of them share. */
import { emptyBallots } from '../../src/certify/rules/ballot.ts'
import { certifyUnitFlips } from '../../src/certify/rules/label-flip.ts'
import { type RunRule, ruleNamed } from '../../src/certify/rules/list.ts'
import { type Ballots, certifyBallots, certifyCollective, type Rule } from '../../src/certify.ts'

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
    /** [classes] fewest units with which each class can come out; null: never. */
    readonly targets?: readonly (number | null)[]
    readonly exactTargets?: readonly (number | null)[]
  }
}

/** A whole test set under one attack. */
export interface CollectiveVector extends Pick<Vector, 'id' | 'classes' | 'offsets' | 'groups' | 'coverage'> {
  readonly rule: 'collective'
  /** The rule that each input is predicted with. */
  readonly aggregation: Rule
  /** [inputs] */
  readonly inputs: readonly Pick<Vector, 'votes' | 'rankings'>[]
  /** Units that the attacker spends on all inputs together. */
  readonly budget: number
  readonly expected: { readonly changed: number; readonly exactChanged: number }
}

export type Question = Omit<Vector, 'expected'>
export type CollectiveQuestion = Omit<CollectiveVector, 'expected'>

/** What the rules of this program say. */
export function certifyVector(question: Question) {
  const { rule, classes, votes = [], flips = [], samples = 0, offsets, groups, coverage } = question
  if (rule !== 'dpa_white_box') {
    const targets = ruleNamed(rule).targeted === null ? undefined : Array.from({ length: classes }, (_, c) => c)
    const [certificate] = certifyBallots(ballotsOfLists([question], classes), {
      ...{ rule, offsets, groups, coverage },
      targets,
    })
    return { ...certificate, targets: certificate.targets?.map(({ poisons }) => poisons) }
  }
  const costs = Float32Array.from(flips.flat(), (cost) => cost ?? Number.POSITIVE_INFINITY)
  return {
    ...certifyUnitFlips(costs, votes, classes, { samples, largestUnit: 1 }),
    labelRadius: undefined,
    earliness: undefined,
    targets: undefined,
  }
}

/** What the bound on a whole test set says. */
export async function certifyCollectiveVector(question: CollectiveQuestion): Promise<{ readonly changed: number }> {
  const { aggregation: rule, classes, inputs, offsets, groups, coverage, budget } = question
  const options = { rule, offsets, groups, coverage, budget }
  const { changedAtMost } = await certifyCollective(ballotsOfLists(inputs, classes), options)
  return { changed: changedAtMost }
}

/** Ballots of some inputs. */
function ballotsOfLists(inputs: readonly Pick<Vector, 'votes' | 'rankings'>[], classes: number): Ballots {
  const lists = inputs.map(({ votes = [], rankings }) => rankings ?? votes.map((vote) => (vote < 0 ? [] : [vote])))
  const places = inputs[0].rankings === undefined ? 1 : classes
  const ballots = emptyBallots(inputs.length, lists[0].length, classes, places)
  for (const [i, list] of lists.flat().entries())
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
