/**
 * The collective certificate: one poisoned training set must break many inputs at once, so fewer can fall together than
 * could each fall alone (Chen et al., ICML 2022, for hash bagging). The program (`collective-program.ts`) is ours, for all rules
 * whose certificates follow from votes.
 */
import highsLoader, { type Highs } from 'highs'
import { invalidArgument, unusedArgument } from '../../core/errors.ts'
import { type Ballots, ballotsOfInput, votesOfInput } from './ballot.ts'
import { fewestToReach } from './bucket-powers.ts'
import { type RuleOptions, shapeOf } from './certify-ballots.ts'
import { boundOfProgram, type Way } from './collective-program.ts'
import { ruleNamed } from './list.ts'
import type { Condition, Reach, WaysToChange } from './rule.ts'

/** Loads the solver; takes some 50 ms, so callers with many programs load it once. */
export function loadSolver(): Promise<Highs> {
  return loadHighs()
}

/** The rule, the budget of the attacker, and the limits of the solver. */
export interface CollectiveOptions extends Omit<RuleOptions, 'targets'> {
  /** Poisoned samples that the attacker may spend on the whole test set together, in the unit of the radius. */
  readonly budget: number
  /** [inputs] radii that are certified: an input whose radius is not below the budget does not change. Default: not known. */
  readonly radii?: ArrayLike<number>
  /** Inputs for each linear program; bounds add up over batches. Default 100. */
  readonly batch?: number
  /**
   * Also solve the integer program and use the bound of its search tree, in seconds for each batch. This bound is the
   * solver's own, in floating point, with a tolerance of 1e-6: tighter, and not verified by this program.
   */
  readonly integerSeconds?: number
  /** Default: loaded by the call. */
  readonly solver?: Highs
  /** Looked at between two programs. */
  readonly signal?: AbortSignal
}

/** How many predictions of a test set may change together, at most. */
export interface CollectiveBound {
  /** Number of inputs that the bound is about. */
  readonly inputs: number
  /** Poisoned samples of the attack, in units of the radius. */
  readonly budget: number
  /** Inputs that could be changed at this budget one at a time. */
  readonly changedAlone: number
  /** No attack within the budget changes more inputs than this at once. */
  readonly changedAtMost: number
  /** `integers`: verified here; `solver`: relies on the integer program's reported bound. */
  readonly arithmetic: 'integers' | 'solver'
}

/** What a captured learner can be worth. */
const mostWorth = 3

// The package declares its types for CommonJS; what an ES module imports as the default is the loader itself.
const loadHighs = highsLoader as unknown as typeof highsLoader.default

/**
 * How many predictions of a test set one attacker can change together, at most, by linear or integer programming.
 *
 * @param ballots of the inputs that the bound is about, usually those that are predicted right
 * @throws VideoMaeError `INVALID_ARGUMENT` for a rule that does not fit the ballots or has no such bound; `COLLECTIVE_OVERFLOW`; the
 *   reason of `signal`
 */
export function certifyCollective(ballots: Ballots, options: CollectiveOptions): Promise<CollectiveBound> {
  return boundOf(ballots, options, solverOnce(options.solver))
}

/** The solver, loaded when it is first asked for. */
function solverOnce(given?: Highs): () => Promise<Highs> {
  let loading = given === undefined ? undefined : Promise.resolve(given)
  return () => {
    loading ??= loadSolver()
    return loading
  }
}

async function boundOf(
  ballots: Ballots,
  options: Omit<CollectiveOptions, 'solver'>,
  solver: () => Promise<Highs>,
): Promise<CollectiveBound> {
  const { rule, budget, radii, batch = 100 } = options
  if (!Number.isInteger(budget) || budget < 0) throw invalidArgument('budget', 'a non-negative integer', budget)
  if (!Number.isInteger(batch) || batch < 1) throw invalidArgument('batch', 'a positive integer', batch)
  if (radii !== undefined && radii.length !== ballots.inputs)
    throw invalidArgument('radii', `${ballots.inputs} radii`, radii.length)
  const shape = shapeOf(ballots, options)
  const attack = ruleNamed(rule).collective?.(shape)
  if (attack === undefined) throw unusedArgument('budget', `with rule ${rule}`, budget)
  const reach = attack.reach(budget)
  /** [captures] inputs that each changes, where an attack has one of them. */
  const changedBy = new Int32Array(reach.choose === 1 ? reach.captures.length : 0)
  let changedAlone = 0
  let changedAtMost = 0
  for (let from = 0; from < ballots.inputs; from += batch) {
    await new Promise(setImmediate) // lets signals through
    options.signal?.throwIfAborted()
    const to = Math.min(ballots.inputs, from + batch)
    const ways: Way[] = []
    for (let input = from; input < to; input++) {
      if (radii !== undefined && radii[input] >= budget) continue
      for (const conditions of possibleWays(attack.ways, ballots, input, reach)) ways.push({ input, conditions })
    }
    const alone = new Set(ways.map(({ input }) => input)).size
    changedAlone += alone
    if (reach.choose === 1) countChanged(ways, reach, changedBy)
    else if (alone > 0) {
      const highs = await solver()
      changedAtMost += boundOfProgram(highs, ways, ballots.learners, reach, options.integerSeconds)
    }
  }
  if (reach.choose === 1) changedAtMost = changedBy.reduce((most, count) => Math.max(most, count), 0)
  const arithmetic = options.integerSeconds === undefined || reach.choose === 1 ? 'integers' : 'solver'
  return { inputs: ballots.inputs, budget, changedAlone, changedAtMost, arithmetic }
}

/** The ways that could change this input within the budget if the attacker cared for nothing else. */
function possibleWays(
  waysOf: WaysToChange,
  ballots: Ballots,
  input: number,
  { choose, captures }: Reach,
): readonly Condition[][] {
  const size = captures.reduce((most, members) => Math.max(most, members.length), 0)
  const isPossible = ({ gap, worth }: Condition): boolean => {
    const powers = captures.map((members) => members.reduce((sum, i) => sum + worth[i], 0))
    return fewestToReach(powers, gap, mostWorth * size) <= choose
  }
  return waysOf(votesOfInput(ballots, input), ballotsOfInput(ballots, input))
    .map((conditions) => conditions.filter(({ gap }) => gap > 0))
    .filter((conditions) => conditions.every(isPossible))
}

/** Where an attack has one capture, each is tried, without a solver: exact for the conditions. */
function countChanged(ways: readonly Way[], { captures }: Reach, changedBy: Int32Array): void {
  for (const [j, members] of captures.entries()) {
    const changed = new Set<number>()
    for (const { input, conditions } of ways)
      if (conditions.every(({ gap, worth }) => members.reduce((sum, i) => sum + worth[i], 0) >= gap)) changed.add(input)
    changedBy[j] += changed.size
  }
}

/** What a certificate says of one budget. */
export interface CollectiveRow {
  /** Poisoned samples of the attack, in units of the radius. */
  readonly budget: number
  /** Right predictions that one poisoned training set of this budget may change at most. */
  readonly changedAtMost: number
  /** Share of all inputs that stay right. */
  readonly certifiedAccuracy: number
}

/**
 * The bound for several budgets over the inputs that are predicted right.
 *
 * @param right ballots of these inputs
 * @param inputs all inputs, the others included
 * @param options `radii` are of the inputs in `right`
 * @throws VideoMaeError `INVALID_ARGUMENT` for a budget that is no whole number from 0, or radii of other inputs
 */
export async function collectiveRows(
  right: Ballots,
  inputs: number,
  budgets: readonly number[],
  options: Omit<CollectiveOptions, 'budget'>,
): Promise<CollectiveRow[]> {
  const solver = solverOnce(options.solver)
  const rows: CollectiveRow[] = []
  for (const budget of budgets) {
    options.signal?.throwIfAborted()
    const { changedAtMost } = await boundOf(right, { ...options, budget }, solver)
    rows.push({ budget, changedAtMost, certifiedAccuracy: (right.inputs - changedAtMost) / inputs })
  }
  return rows
}
