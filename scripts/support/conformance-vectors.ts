/** Draws conformance vectors and solves them by exhaustion. */
import {
  type Adversary,
  allRankings,
  canChange,
  canReach,
  combinations,
  disjointReach,
  spreadReach,
  trueRadius,
  trueTargetCost,
} from '../../src/certify/rules/brute-force.ts'
import { plurality, tally } from '../../src/certify/rules/plurality.ts'
import { needsRankings, type Rule } from '../../src/certify.ts'
import { RandomStream } from '../../src/model.ts'
import {
  type CollectiveQuestion,
  type CollectiveVector,
  certifyCollectiveVector,
  certifyVector,
  electRunOff,
  type Question,
  type Vector,
} from './conformance.ts'

/** Drawn for each rule; with two classes, near ties, abstentions and absent classes among them. */
const drawnOfRule = 24
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

/** A few learners that mostly agree: otherwise all radii are 0. */
function draw(rule: Rule, number: number): Question {
  const stream = new RandomStream('conformance', rule, number)
  const rankings = needsRankings(rule)
  const spread = rule === 'fa' || rule === 'fa_exact' || rule === 'roe_fa'
  const classes = 2 + stream.integer(rankings ? 2 : 3)
  const groups = 2 + stream.integer(3)
  const learners =
    rule === 'groups'
      ? 2 * groups
      : spread
        ? 2 * (2 + stream.integer(3))
        : rankings
          ? 3 + stream.integer(3)
          : 3 + stream.integer(4)
  const favorite = stream.integer(classes)
  const agreement = 0.5 + 0.5 * stream.uniform()
  const voteOf = () => (stream.uniform() < agreement ? favorite : stream.integer(classes))
  const absent = () => stream.integer(10) === 0
  const ballot = (): number[] => {
    const first = voteOf()
    const rest = range(classes).filter((c) => c !== first)
    return [first, ...Array.from(stream.permutation(rest.length), (i) => rest[i])]
  }
  const id = `${rule}-${number}`
  const more = {
    ...(spread ? { offsets: [0, 1 + stream.integer(learners - 1)] } : {}),
    ...(rule === 'groups' ? { groups } : {}),
    ...(rule === 'temporal' ? { coverage: 1 + stream.integer(3) } : {}),
  }
  if (rankings) return { id, rule, classes, rankings: range(learners).map(() => (absent() ? [] : ballot())), ...more }
  return { id, rule, classes, votes: range(learners).map(() => (absent() ? -1 : voteOf())), ...more }
}

/** A run-off whose published bound is below the exact radius: a tighter bound is no fault. */
const loose: Question = {
  ...{ id: 'roe-loose', rule: 'roe', classes: 3 },
  rankings: ['012', '201', '021', '120', '021', '120'].map((order) => Array.from(order, Number)),
}

/** Votes of heads, with the fewest flipped labels that change each of them. */
function drawFlips(number: number): Question {
  const stream = new RandomStream('conformance', 'flips', number)
  const classes = 2 + stream.integer(2)
  const favorite = stream.integer(classes)
  const votes = range(2 + stream.integer(4)).map(() => (stream.uniform() < 0.75 ? favorite : stream.integer(classes)))
  const flips = votes.map((vote) => {
    const become = range(classes).map((c) => (c === vote ? 0 : stream.integer(8) === 0 ? null : 1 + stream.integer(5)))
    const others = become.filter((cost, c) => c !== vote && cost !== null) as number[]
    return [...become, others.length === 0 ? null : Math.min(...others)]
  })
  const samples = 5 * votes.length
  return { id: `dpa_white_box-${number}`, rule: 'dpa_white_box', classes, votes, flips, samples }
}

/** The fewest flips that change the prediction, over all votes that all heads could be brought to, less one. */
function exactFlips({ classes, votes = [], flips = [], samples = 0 }: Question): number {
  const before = plurality(tally(votes, classes))
  let fewest = Number.POSITIVE_INFINITY
  const assign = (cast: readonly number[], cost: number): void => {
    if (cost >= fewest) return
    if (cast.length < votes.length) {
      for (let c = 0; c < classes; c++) assign([...cast, c], cost + (flips[cast.length][c] ?? Number.POSITIVE_INFINITY))
    } else if (plurality(tally(cast, classes)) !== before) fewest = cost
  }
  assign([], 0)
  return Math.min(samples, fewest - 1)
}

/** What a learner can cast: every vote or ranking, and nothing. */
function adversaryOf({ classes, votes, rankings, offsets }: Question): Adversary {
  const learners = (votes ?? rankings ?? []).length
  const reach = offsets === undefined ? disjointReach(learners) : spreadReach(learners, offsets)
  if (rankings !== undefined) {
    const choices = [...allRankings(classes), []]
    const names = choices.map((choice) => choice.join())
    const cast = rankings.map((ballot) => names.indexOf(ballot.join()))
    return {
      cast,
      choices: choices.length,
      reach,
      predict: (all) =>
        electRunOff(
          all.map((c) => choices[c]),
          classes,
        ),
    }
  }
  const cast = (votes ?? []).map((vote) => (vote < 0 ? classes : vote))
  // The last choice is no vote.
  return { cast, choices: classes + 1, reach, predict: (all) => plurality(tally(all, classes)) }
}

/** The largest budget under which nothing changes, by exhaustion. */
function exactly(question: Question): Partial<Vector['expected']> & { readonly exact: number } {
  const adversary = adversaryOf(question)
  const { rule, groups = 1, coverage = 1 } = question
  const learners = adversary.cast.length
  if (rule === 'groups') {
    const reach = blocksOf(groups, learners)
    return { exact: trueRadius({ ...adversary, reach }), exactLabelRadius: trueRadius(adversary) }
  }
  if (rule !== 'temporal') return { exact: trueRadius(adversary) }
  const before = adversary.predict(adversary.cast)
  const safe = (from: number, count: number) =>
    !canChange(
      adversary,
      range(count).map((i) => from + i),
      before,
    )
  // A stretch of t periods reaches t + coverage - 1 neighboring learners, and none is reached by none.
  const survives = (width: number) => range(learners - width + 1).every((from) => safe(from, width))
  const width =
    range(learners + 1)
      .filter((w) => range(w + 1).every(survives))
      .at(-1) ?? 0
  const earliness =
    range(learners + 1)
      .filter((count) => safe(learners - count, count))
      .at(-1) ?? 0
  return { exact: Math.max(0, width - coverage + 1), exactEarliness: earliness }
}

/** [classes] fewest units with which each class can come out, by exhaustion; null: never. */
function exactTargets(question: Question): (number | null)[] {
  const adversary = adversaryOf(question)
  const { rule, coverage = 1, classes } = question
  return range(classes).map((target) => {
    const cost = rule === 'temporal' ? trueStretchCost(adversary, coverage, target) : trueTargetCost(adversary, target)
    return Number.isFinite(cost) ? cost : null
  })
}

/** Learners of every choice of neighboring periods. */
function stretchesOf(learners: number, periods: number, coverage: number): number[][] {
  const width = periods === 0 ? 0 : Math.min(learners, periods + coverage - 1)
  return range(learners - width + 1).map((from) => range(width).map((i) => from + i))
}

/** Fewest periods in a row with which the answer can be `target`; infinite where all are not enough. */
function trueStretchCost(adversary: Adversary, coverage: number, target: number): number {
  const learners = adversary.cast.length
  for (let periods = 0; periods <= learners; periods++) {
    const stretches = stretchesOf(learners, periods, coverage)
    if (stretches.some((captured) => canReach(adversary, captured, (answer) => answer === target))) return periods
  }
  return Number.POSITIVE_INFINITY
}

/** [groups] learners of each. */
const blocksOf = (groups: number, learners: number): number[][] =>
  range(groups).map((g) => range(learners / groups).map((i) => (g * learners) / groups + i))

/** Whether no class is said to cost more than it does. */
const soundTargets = (claimed: readonly (number | null)[], exact: readonly (number | null)[]): boolean =>
  claimed.every((cost, c) => (cost ?? Number.POSITIVE_INFINITY) <= (exact[c] ?? Number.POSITIVE_INFINITY))

function vectorOf(question: Question): Vector {
  const { prediction, radius, labelRadius, earliness, targets } = certifyVector(question)
  const exact = question.rule === 'dpa_white_box' ? { exact: exactFlips(question) } : exactly(question)
  const adversary = adversaryOf(question)
  if (adversary.predict(adversary.cast) !== prediction || radius > exact.exact)
    throw new Error(
      `${question.id}: the program predicts ${prediction} with radius ${radius}, exhaustion gives ${exact.exact}.`,
    )
  const costs = targets === undefined ? {} : { targets, exactTargets: exactTargets(question) }
  if (costs.targets !== undefined && !soundTargets(costs.targets, costs.exactTargets))
    throw new Error(
      `${question.id}: the program says ${costs.targets.join()}, exhaustion ${costs.exactTargets.join()}.`,
    )
  return {
    ...question,
    expected: {
      ...{ prediction, radius },
      ...(labelRadius === undefined ? {} : { labelRadius }),
      ...(earliness === undefined ? {} : { earliness }),
      ...exact,
      ...costs,
    },
  }
}

/** Drawn for each rule. */
const drawnTestSets = 6
/** Of one test set. */
const drawnInputs = 5
const collectiveRules = ['dpa', 'fa', 'roe', 'roe_fa', 'groups', 'temporal'] as const

/** Inputs of one ensemble: all have its number of learners, its offsets and its groups. */
function drawTestSet(rule: (typeof collectiveRules)[number], number: number): CollectiveQuestion {
  const [first, ...others] = range(400).map((i) => draw(rule, 1000 * (number + 1) + i))
  const learners = (question: Question) => (question.votes ?? question.rankings ?? []).length
  const alike = others.filter((one) => one.classes === first.classes && learners(one) === learners(first))
  const inputs = [first, ...alike].slice(0, drawnInputs).map(({ votes, rankings }) => ({ votes, rankings }))
  const { id: _, rule: __, classes, votes: ___, rankings: ____, ...layout } = first
  return {
    ...{ id: `collective-${rule}-${number}`, rule: 'collective', aggregation: rule, classes },
    ...{ inputs, ...layout, budget: 1 + (number % 2) },
  }
}

/** The most inputs whose prediction one attack changes, over all captures of `budget` units. */
function exactChanged({ inputs, aggregation: rule, budget, ...ensemble }: CollectiveQuestion): number {
  const adversaries = inputs.map((ballots) => adversaryOf({ ...ensemble, ...ballots, rule }))
  const [{ cast, reach }] = adversaries
  const { groups = 1, coverage = 1 } = ensemble
  const units = rule === 'groups' ? blocksOf(groups, cast.length) : reach
  const choices = [...combinations(units.length, Math.min(budget, units.length))]
  const captures =
    rule === 'temporal'
      ? stretchesOf(cast.length, budget, coverage)
      : choices.map((some) => [...new Set(some.flatMap((unit) => units[unit]))])
  let most = 0
  for (const captured of captures) {
    const changed = adversaries.filter((one) => canChange(one, captured, one.predict(one.cast))).length
    most = Math.max(most, changed)
  }
  return most
}

async function collectiveVectorOf(question: CollectiveQuestion): Promise<CollectiveVector> {
  const { changed } = await certifyCollectiveVector(question)
  const exact = exactChanged(question)
  if (changed < exact)
    throw new Error(`${question.id}: the program says at most ${changed} change, exhaustion finds ${exact}.`)
  return { ...question, expected: { changed, exactChanged: exact } }
}

const rules = ['dpa', 'fa', 'fa_exact', 'roe', 'roe_fa', 'groups', 'temporal'] as const

/**
 * The text of examples/conformance/vectors-1.jsonl: small ensembles with the prediction and radius of each rule, and the exact radius by
 * an adversary that tries everything.
 *
 * @throws Error where the program predicts another class, gives a larger radius, or says that an attack costs more than it does
 */
export async function conformanceText(): Promise<string> {
  const questions = rules.flatMap((rule) => range(drawnOfRule).map((number) => draw(rule, number)))
  const vectors = [...questions, loose, ...range(drawnOfRule).map(drawFlips)].map(vectorOf)
  const testSets: CollectiveVector[] = []
  for (const rule of collectiveRules)
    for (const number of range(drawnTestSets)) testSets.push(await collectiveVectorOf(drawTestSet(rule, number)))
  const lines = [{ schema: 'videomae.conformance/1' }, ...vectors, ...testSets].map((line) => JSON.stringify(line))
  return `${lines.join('\n')}\n`
}
