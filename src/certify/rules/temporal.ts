/**
 * Temporal aggregation (Wang & Feizi, NeurIPS 2023): learner i is trained on `coverage` consecutive periods, the newest
 * learners vote. Poison is bounded in time, not in number: any amount of it inside the window is allowed.
 */
import { requireCount } from '../../core/counts.ts'
import { layouts } from './names.ts'
import { distinctRivals, lead, plurality, tally, worthOfVote } from './plurality.ts'
import { type AggregationRule, ofOneRival } from './rule.ts'
import { targetedPeriods } from './targeted.ts'
import { pluralityWays, reachOfPeriods } from './ways.ts'

export interface TemporalPrediction {
  readonly prediction: number
  /** Newest periods that may be poisoned without limit: they touch the newest learners only. */
  readonly earliness: number
  /** Length of the poisoned stretch, anywhere in time: tau periods touch tau + coverage - 1 neighboring learners. */
  readonly duration: number
  /** The class that a poisoned stretch of `duration` + 1 periods could elect; the smallest index among equals. */
  readonly rival: number
}

/**
 * Prediction and radius for one input where poisoned samples arrive within a stretch of time.
 *
 * @param votes [learners] oldest first; `classes` for an abstention
 * @param coverage periods each learner is trained on
 * @throws VideoMaeError `INVALID_ARGUMENT` for a coverage that is not a positive integer, and for votes that name no class
 */
export function certifyTemporal(votes: ArrayLike<number>, classes: number, coverage: number): TemporalPrediction {
  requireCount('coverage', coverage)
  const counts = tally(votes, classes)
  const learners = votes.length
  const prediction = plurality(counts)
  let earliness = learners
  let widest = Number.POSITIVE_INFINITY
  let rival = -1
  for (const c of distinctRivals(counts, prediction)) {
    const sums = new Int32Array(learners + 1)
    for (let i = 0; i < learners; i++) sums[i + 1] = sums[i] + worthOfVote(votes[i], prediction, c)
    const gap = lead(counts, prediction, c)
    while (earliness > 0 && sums[learners] - sums[learners - earliness] >= gap) earliness--
    let width = Math.min(learners, widest)
    while (width > 0 && worstWindow(sums, width) >= gap) width--
    if (width < widest) {
      widest = width
      rival = c
    }
  }
  return { prediction, earliness, duration: Math.max(0, widest - coverage + 1), rival }
}

function worstWindow(sums: Int32Array, width: number): number {
  let worst = 0
  for (let end = width; end < sums.length; end++) worst = Math.max(worst, sums[end] - sums[end - width])
  return worst
}

/** Plurality of learners of consecutive periods; the radius counts neighboring periods, the duration. */
export const temporal = {
  ...{ name: 'temporal', title: 'temporal', layout: layouts.temporal, counts: 'votes' },
  ...{ saysExact: false, stroke: 'solid' },
  certifier:
    ({ classes, coverage }) =>
    (votes) => {
      const { prediction, duration, earliness, rival } = certifyTemporal(votes, classes, coverage)
      return { ...ofOneRival({ prediction, radius: duration, rival }), earliness }
    },
  collective: ({ classes, learners, coverage }) => ({
    ways: pluralityWays(classes),
    reach: (budget) => reachOfPeriods(learners, coverage, budget),
  }),
  targeted:
    ({ classes, coverage }) =>
    (votes, _, target) =>
      targetedPeriods(votes, classes, coverage, target),
} as const satisfies AggregationRule
