/**
 * The program behind the bound on a whole test set, and its bound in exact arithmetic.
 *
 *   maximize  sum f[w]                                   ways w that are taken, each of which changes its input
 *   subject to  gap[k] f[w] <= sum_i worth[k,i] z[i]     for each condition k of way w
 *               sum of f[w] over the ways of an input <= 1
 *               z[i] <= sum of x[j] over the captures j with learner i,  sum_j x[j] <= choose
 *
 * HiGHS solves the relaxation in floating point, but its answer is not trusted: its multipliers are rounded to integers
 * and the Lagrangian bound they imply is evaluated again in exact integer arithmetic. Any multipliers give a sound bound,
 * so a wrong solver can only make the certificate weaker.
 */
import type { Highs } from 'highs'
import { VideoMaeError } from '../../core/errors.ts'
import type { Condition, Reach } from './rule.ts'

/** One way to change one input. */
export interface Way {
  readonly input: number
  /** All with a gap above 0. */
  readonly conditions: readonly Condition[]
}

const scale = 2 ** 24

/**
 * @param integerSeconds also use the bound of the integer program's search tree, which is in floating point
 * @returns inputs that one attack changes at most
 */
export function boundOfProgram(
  highs: Highs,
  ways: readonly Way[],
  learners: number,
  reach: Reach,
  integerSeconds: number | undefined,
): number {
  const model = describe(highs, ways, learners, reach)
  const relaxed = highs.withModel(model, (solver) => {
    solver.options.set({ output_flag: false })
    solver.run()
    return solver.getSolution().rowDual
  })
  // Row order: the conditions of all ways, then one row a learner (its coverage).
  const multiplier = (row: number) => {
    const value = Math.abs(relaxed[row] ?? 0)
    return Number.isFinite(value) ? Math.round(value * scale) : 0
  }
  const conditions = ways.reduce((sum, way) => sum + way.conditions.length, 0)
  let bound = verifiedBound(
    ways,
    Array.from({ length: conditions }, (_, row) => multiplier(row)),
    Array.from({ length: learners }, (_, i) => multiplier(conditions + i)),
    reach,
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

/** Columns: f of each way, z of each learner, x of each capture. */
function describe(highs: Highs, ways: readonly Way[], learners: number, { choose, captures }: Reach) {
  const firstZ = ways.length
  const firstX = firstZ + learners
  const numCols = firstX + captures.length
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
  for (const [w, { conditions }] of ways.entries())
    for (const { gap, worth } of conditions) {
      const entries: [number, number][] = [[w, gap]]
      for (let i = 0; i < learners; i++) if (worth[i] > 0) entries.push([firstZ + i, -worth[i]])
      row(entries, 0)
    }
  const capturedBy: number[][] = Array.from({ length: learners }, () => [])
  for (const [j, members] of captures.entries()) for (const i of members) capturedBy[i].push(j)
  for (const [i, mine] of capturedBy.entries()) row([[firstZ + i, 1], ...mine.map((j) => [firstX + j, -1] as const)], 0)
  const waysOf = new Map<number, number[]>()
  for (const [w, { input }] of ways.entries()) {
    const mine = waysOf.get(input)
    if (mine === undefined) waysOf.set(input, [w])
    else mine.push(w)
  }
  for (const mine of waysOf.values())
    row(
      mine.map((w) => [w, 1] as const),
      1,
    )
  row(
    captures.map((_, j) => [firstX + j, 1] as const),
    choose,
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
 * The Lagrangian bound for multipliers a[condition] and u[learner], both integers in units of 2^-24, in exact arithmetic:
 *
 *   sum over inputs of max(0, max over ways of (1 - sum_k a[k] gap[k]))
 *     + sum_i max(0, q_i - u_i)  +  the `choose` largest sums of u over captures
 *
 * where q_i = sum over all conditions of a[k] * worth[k,i]. Valid for every non-negative choice.
 *
 * @param a in the order of the conditions of all ways
 * @returns inputs changed at most
 * @throws VideoMaeError `COLLECTIVE_OVERFLOW` where the numbers exceed 53 bits
 */
export function verifiedBound(
  ways: readonly Way[],
  a: readonly number[],
  u: readonly number[],
  { choose, captures }: Reach,
): number {
  const best = new Map<number, number>()
  const worth = new Array<number>(u.length).fill(0)
  let k = 0
  for (const { input, conditions } of ways) {
    let left = scale
    for (const condition of conditions) {
      const price = a[k++]
      left -= price * condition.gap
      for (let i = 0; i < worth.length; i++) worth[i] += price * condition.worth[i]
    }
    best.set(input, Math.max(best.get(input) ?? 0, left))
  }
  let total = 0
  for (const value of best.values()) total += value
  for (let i = 0; i < worth.length; i++) total += Math.max(0, worth[i] - u[i])
  const sums = captures.map((members) => members.reduce((sum, i) => sum + u[i], 0)).sort((x, y) => y - x)
  for (let j = 0; j < Math.min(choose, sums.length); j++) total += sums[j]
  if (!Number.isSafeInteger(total) || worth.some((value) => !Number.isSafeInteger(value))) {
    throw new VideoMaeError(`Expected the collective bound to fit 53 bits, but it reached ${total}.`, {
      code: 'COLLECTIVE_OVERFLOW',
      hint: 'Use a smaller batch.',
    })
  }
  return Math.min(best.size, Math.floor(total / scale))
}
