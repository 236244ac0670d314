/** Balanced accuracy with a 95 % interval that holds for few groups of videos, too. */
import { betaQuantile, tQuantile } from '../numeric/distributions.ts'

export interface BalancedRows {
  /** Class of each video. */
  readonly truth: readonly number[]
  /** 1 where its prediction is right, else 0. */
  readonly right: readonly number[]
  /** Number of classes. */
  readonly classes: number
  /** Videos of each group, by their index. Groups are independent of each other. */
  readonly groups: readonly (readonly number[])[]
}

/** Two-sided 95 %. */
const tail = 0.025
const z = 1.959963984540054

/**
 * Mean recall over the classes that have videos, and its interval by Korn and Graubard (1998), which survey statistics uses for shares in
 * few clusters: the exact bounds of Clopper and Pearson (1934) for the number of independent trials that the videos are worth. That
 * number is value * (1 - value) / variance, where the variance is that between groups (delete-one-group jackknife). It is lowered by
 * (z / t)^2 with the t quantile of groups - 1 degrees of freedom, because few groups tell the variance badly. Where it shows no variance (all videos are
 * right, all are wrong, all groups are alike), a group is one trial: `effectiveTrials` with the weights of the mean.
 */
export function balancedAccuracy(rows: BalancedRows): {
  readonly value: number
  readonly low: number
  readonly high: number
} {
  const { value, variance } = meanRecall(rows)
  const trials = trialsOf(rows, value, variance)
  const hits = value * trials
  return {
    value,
    low: hits < 1e-9 ? 0 : betaQuantile(tail, hits, trials - hits + 1),
    high: trials - hits < 1e-9 ? 1 : betaQuantile(1 - tail, hits + 1, trials - hits),
  }
}

function trialsOf(rows: BalancedRows, value: number, variance: number): number {
  const { groups } = rows
  const weights = weightsOf(rows)
  const kish = (of: Iterable<number>): number => 1 / [...of].reduce((sum, weight) => sum + weight * weight, 0)
  const apart = kish(weights)
  if (variance < 1e-12) return kish(groups.map((group) => group.reduce((sum, i) => sum + weights[i], 0)))
  const trials = ((value * (1 - value)) / variance) * (z / tQuantile(1 - tail, groups.length - 1)) ** 2
  // Videos are at most as many trials as if each were independent. One is the least that says anything.
  return Math.max(1, Math.min(apart, trials))
}

/** What each video adds to the mean recall where it is right; they sum to 1. */
function weightsOf({ truth, classes }: BalancedRows): Float64Array {
  const counts = new Float64Array(classes)
  for (const c of truth) counts[c]++
  const present = counts.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0)
  return Float64Array.from(truth, (c) => 1 / (present * counts[c]))
}

/** With its variance between groups: how much it changes where one of them is left out. */
function meanRecall({ truth, right, classes, groups }: BalancedRows): { value: number; variance: number } {
  const found = new Float64Array(classes)
  const total = new Float64Array(classes)
  const count = (rows: readonly number[], sign: number): void => {
    for (const i of rows) {
      found[truth[i]] += sign * right[i]
      total[truth[i]] += sign
    }
  }
  const mean = (): number => {
    let [sum, present] = [0, 0]
    for (let c = 0; c < classes; c++) {
      if (total[c] === 0) continue
      sum += found[c] / total[c]
      present++
    }
    return sum / present
  }
  for (const group of groups) count(group, 1)
  const value = mean()
  if (groups.length === 1) return { value, variance: 0 }
  let squares = 0
  for (const group of groups) {
    count(group, -1)
    squares += (mean() - value) ** 2
    count(group, 1)
  }
  return { value, variance: ((groups.length - 1) / groups.length) * squares }
}
