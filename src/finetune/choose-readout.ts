/** Which of several readouts a head gets, by its training videos alone. */
import { percent } from '../core/percent.ts'
import type { FeatureRows } from '../inference/feature-rows.ts'
import { isBetter } from '../inference/scores.ts'
import { bestLeftOut } from './ridge.ts'

/** What ridge heads on a readout say about training videos whose group they never saw. */
export interface ComparedReadout {
  readonly readout: string
  /** Videos whose class other groups have, too: what the accuracy is the share of. */
  readonly videos: number
  readonly accuracy: number
  /** Mean negative log-likelihood, nats. */
  readonly loss: number
}

/** Strengths to compare readouts with, per training row. Fewer than a head has: each choice fits the data a little. */
const lambdas: readonly number[] = [0.1, 1, 10]

/**
 * What ridge heads on each readout say about training videos that they were trained without, groups apart (`leaveVideosOut`).
 *
 * @param rows of all readouts side by side, in their order
 * @param widths values of each readout
 * @returns null where all training videos belong together, or each class is in one group only
 * @throws VideoMaeError `RIDGE_SINGULAR`
 */
export function compareReadouts(
  readouts: readonly string[],
  rows: FeatureRows,
  widths: readonly number[],
  { classes, seed }: { readonly classes: number; readonly seed: number },
): readonly ComparedReadout[] | null {
  const compared: ComparedReadout[] = []
  let from = 0
  for (const [r, readout] of readouts.entries()) {
    const [start, end] = [from, from + widths[r]]
    const own = { ...rows, width: widths[r], shape: [widths[r]], row: (i: number) => rows.row(i).subarray(start, end) }
    const found = bestLeftOut(own, classes, lambdas, seed)
    if (found === null) return null
    compared.push({ readout, videos: found.videos, ...found.scores })
    from = end
  }
  return compared
}

/** The one that is right most often; of equals the one with the lower loss, then the first. */
export function bestReadout(compared: readonly ComparedReadout[]): string {
  return compared.reduce((best, one) => (isBetter(one, best) ? one : best)).readout
}

/** `motion:3: right for 75.0 % of 40 training videos without their group (mean 59.3 %, grid:3 57.0 %)` */
export function describeChoice(readout: string, compared: readonly ComparedReadout[]): string {
  const accuracyOf = (name: string): string => percent(compared.find((one) => one.readout === name)!.accuracy)
  const others = compared.filter((one) => one.readout !== readout)
  const rest = others.map((one) => `${one.readout} ${percent(one.accuracy)}`).join(', ')
  const [{ videos }] = compared
  return `${readout}: right for ${accuracyOf(readout)} of ${videos} training ${videos === 1 ? 'video' : 'videos'} without their group (${rest})`
}
