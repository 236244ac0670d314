/**
 * The collective certificate: one poisoned training set must break many inputs at once, so fewer can fall together than
 * could each fall alone (Chen et al., ICML 2022, for hash bagging; the program below is for DPA and Finite Aggregation).
 *
 *   maximize  sum f[t,c]                              inputs t turned to rival c
 *   subject to  gap[t,c] f[t,c] <= sum_i v[t,c,i] z[i]   enough captured votes, v = 1 + [vote = winner] - [vote = c]
 *               sum_c f[t,c] <= 1,  z[i] <= sum of x[j] over the buckets of learner i,  sum_j x[j] <= budget
 *
 * HiGHS solves the relaxation in floating point, but its answer is not trusted: its multipliers are rounded to integers
 * and the Lagrangian bound they imply is evaluated again in exact integer arithmetic. Any multipliers give a sound bound,
 * so a wrong solver can only make the certificate weaker.
 */
import highsLoader, { type Highs } from 'highs'
import { invalidArgument, VideoMaeError } from '../../core/errors.ts'
import { checkOffsets, fewestToReach, VoteReach } from './bucket-powers.ts'
import { distinctRivals, lead, plurality, tally, worthOfVote } from './plurality.ts'
import { bucketsOfLearner, learnersOfBucket } from './spread.ts'

/** Loads the solver; takes some 50 ms, so callers with many programs load it once. */
export function loadSolver(): Promise<Highs> {
  return loadHighs()
}

export interface CollectiveOptions {
  /** Poisons that the attacker may spend on the whole test set together. */
  readonly budget: number
  /** [d] spread of Finite Aggregation; default [0], disjoint partitions. */
  readonly offsets?: readonly number[]
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

export interface CollectiveBound {
  readonly inputs: number
  readonly budget: number
  /** Inputs that could be changed at this budget one at a time. */
  readonly changedAlone: number
  /** No attack within the budget changes more inputs than this at once. */
  readonly changedAtMost: number
  /** `integers`: verified here; `solver`: relies on the integer program's reported bound. */
  readonly arithmetic: 'integers' | 'solver'
}

/** One way to change one input: the rival, the lead to close, and what each learner is worth. */
interface Target {
  readonly input: number
  readonly gap: number
  readonly worth: Uint8Array
}

const scale = 2 ** 24

// The package declares its types for CommonJS; what an ES module imports as the default is the loader itself.
const loadHighs = highsLoader as unknown as typeof highsLoader.default

/**
 * @param votes one array of [learners] votes for each input; `classes` for an abstention
 */
export async function certifyCollective(
  votes: readonly ArrayLike<number>[],
  classes: number,
  options: CollectiveOptions,
): Promise<CollectiveBound> {
  const { budget, batch = 100 } = options
  const offsets = options.offsets ?? [0]
  if (!Number.isInteger(budget) || budget < 0) throw invalidArgument('budget', 'a non-negative integer', budget)
  if (!Number.isInteger(batch) || batch < 1) throw invalidArgument('batch', 'a positive integer', batch)
  const highs = options.solver ?? (await loadSolver())
  let changedAlone = 0
  let changedAtMost = 0
  for (let from = 0; from < votes.length; from += batch) {
    await new Promise(setImmediate) // lets signals through
    options.signal?.throwIfAborted()
    const targets = votes.slice(from, from + batch).flatMap((v, input) => targetsOf(v, classes, offsets, budget, input))
    const alone = new Set(targets.map((target) => target.input)).size
    changedAlone += alone
    if (alone === 0) continue
    changedAtMost += boundOfBatch(highs, targets, votes[from].length, offsets, budget, options.integerSeconds)
  }
  const arithmetic = options.integerSeconds === undefined ? 'integers' : 'solver'
  return { inputs: votes.length, budget, changedAlone, changedAtMost, arithmetic }
}

/** The rivals that could win this input within the budget if the attacker cared for nothing else. */
function targetsOf(
  votes: ArrayLike<number>,
  classes: number,
  offsets: readonly number[],
  budget: number,
  input: number,
): Target[] {
  const learners = votes.length
  checkOffsets(offsets, learners)
  const counts = tally(votes, classes)
  const prediction = plurality(counts)
  const reach = new VoteReach(votes, classes, offsets)
  const mine = reach.powersOf(prediction)
  const powers = new Int32Array(learners)
  const targets: Target[] = []
  // Rivals alike would be columns alike.
  for (const c of distinctRivals(counts, prediction)) {
    powers.set(mine)
    reach.add(powers, c, -1)
    const gap = lead(counts, prediction, c)
    if (fewestToReach(powers, gap, 2 * offsets.length) > budget) continue
    const worth = Uint8Array.from(votes, (vote) => worthOfVote(vote, prediction, c))
    targets.push({ input, gap, worth })
  }
  return targets
}

function boundOfBatch(
  highs: Highs,
  targets: readonly Target[],
  learners: number,
  offsets: readonly number[],
  budget: number,
  integerSeconds: number | undefined,
): number {
  const model = describe(highs, targets, learners, offsets, budget)
  const relaxed = highs.withModel(model, (solver) => {
    solver.options.set({ output_flag: false })
    solver.run()
    return solver.getSolution().rowDual
  })
  // Row order: one row a target, then one a learner (its coverage).
  const multiplier = (row: number) => {
    const value = Math.abs(relaxed[row] ?? 0)
    return Number.isFinite(value) ? Math.round(value * scale) : 0
  }
  let bound = verifiedBound(
    targets,
    targets.map((_, row) => multiplier(row)),
    Array.from({ length: learners }, (_, i) => multiplier(targets.length + i)),
    learners,
    offsets,
    budget,
  )
  if (integerSeconds !== undefined) {
    const integrality = new Int32Array(model.numCols).fill(1)
    const dual = highs.withModel({ ...model, integrality }, (solver) => {
      solver.options.set({ output_flag: false, time_limit: integerSeconds })
      solver.run()
      return Number(solver.info.get('mip_dual_bound'))
    })
    if (Number.isFinite(dual)) bound = Math.min(bound, Math.floor(Math.abs(dual) + 1e-6))
  }
  return bound
}

/** Columns: f of each target, z of each learner, x of each bucket. */
function describe(
  highs: Highs,
  targets: readonly Target[],
  learners: number,
  offsets: readonly number[],
  budget: number,
) {
  const firstZ = targets.length
  const firstX = firstZ + learners
  const numCols = firstX + learners
  const starts = [0]
  const indices: number[] = []
  const values: number[] = []
  const rowUpper: number[] = []
  const row = (entries: readonly (readonly [number, number])[], upper: number) => {
    for (const [column, value] of entries) {
      indices.push(column)
      values.push(value)
    }
    starts.push(indices.length)
    rowUpper.push(upper)
  }
  for (const [t, target] of targets.entries()) {
    const entries: [number, number][] = [[t, target.gap]]
    for (let i = 0; i < learners; i++) if (target.worth[i] > 0) entries.push([firstZ + i, -target.worth[i]])
    row(entries, 0)
  }
  for (let i = 0; i < learners; i++) {
    const buckets = bucketsOfLearner(i, learners, offsets)
    row([[firstZ + i, 1], ...buckets.map((j) => [firstX + j, -1] as const)], 0)
  }
  for (const input of new Set(targets.map((target) => target.input))) {
    const mine = targets.flatMap((target, t) => (target.input === input ? [[t, 1] as const] : []))
    row(mine, 1)
  }
  row(
    Array.from({ length: learners }, (_, j) => [firstX + j, 1] as const),
    budget,
  )
  const numRows = rowUpper.length
  return {
    numCols,
    numRows,
    sense: highs.constants.objectiveSense.maximize,
    colCost: Float64Array.from({ length: numCols }, (_, column) => (column < firstZ ? 1 : 0)),
    colLower: new Float64Array(numCols),
    colUpper: new Float64Array(numCols).fill(1),
    rowLower: new Float64Array(numRows).fill(-highs.infinity),
    rowUpper,
    matrix: { format: 'csr' as const, numRows, numCols, starts, indices, values },
  }
}

/**
 * The Lagrangian bound for multipliers a[target] and u[learner], both integers in units of 2^-24, in exact arithmetic:
 *
 *   sum over inputs of max(0, max_c (1 - a gap))  +  sum_i max(0, q_i - u_i)  +  the `budget` largest bucket sums of u
 *
 * where q_i = sum over targets of a * worth_i. Valid for every non-negative choice.
 *
 * @returns inputs changed at most
 */
export function verifiedBound(
  targets: readonly Target[],
  a: readonly number[],
  u: readonly number[],
  learners: number,
  offsets: readonly number[],
  budget: number,
): number {
  const best = new Map<number, number>()
  const worth = new Array<number>(learners).fill(0)
  for (const [t, target] of targets.entries()) {
    best.set(target.input, Math.max(best.get(target.input) ?? 0, scale - a[t] * target.gap))
    for (let i = 0; i < learners; i++) worth[i] += a[t] * target.worth[i]
  }
  let total = 0
  for (const value of best.values()) total += value
  for (let i = 0; i < learners; i++) total += Math.max(0, worth[i] - u[i])
  const buckets = Array.from({ length: learners }, (_, j) =>
    learnersOfBucket(j, learners, offsets).reduce((sum, i) => sum + u[i], 0),
  ).sort((x, y) => y - x)
  for (let j = 0; j < Math.min(budget, buckets.length); j++) total += buckets[j]
  if (!Number.isSafeInteger(total) || worth.some((value) => !Number.isSafeInteger(value))) {
    throw new VideoMaeError(`Expected the collective bound to fit 53 bits, but it reached ${total}.`, {
      code: 'COLLECTIVE_OVERFLOW',
      hint: 'Use a smaller batch.',
    })
  }
  return Math.min(best.size, Math.floor(total / scale))
}
