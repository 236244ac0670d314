/**
 * Time cut into periods of one length, counted back from a declared end. Neither may follow from the data: an end at the
 * newest video, or periods of equal size, would let one poisoned sample move the bounds of all of them.
 */
import { requireCount } from '../../core/counts.ts'
import { invalidArgument } from '../../core/errors.ts'

/** Periods of time that the temporal rule assigns samples to. */
export interface Periods {
  /** End of the newest period: the first time that belongs to none. In the unit of `SampleSet.times`. */
  readonly until: number
  /** Length of a period, in that unit. */
  readonly length: number
  /** Periods that each learner is trained on: those up to and with its own. */
  readonly coverage: number
}

/** @throws VideoMaeError `INVALID_ARGUMENT` */
export function checkPeriods({ until, length, coverage }: Periods): void {
  if (!Number.isFinite(until)) throw invalidArgument('periods.until', 'a time', until)
  if (!(length > 0 && Number.isFinite(length))) throw invalidArgument('periods.length', 'a positive length', length)
  requireCount('coverage', coverage, 'periods.coverage')
}

/** The period of a time, 0 the oldest of `count`; -1 where it is older than all of them, or not before the end. */
export function periodOf(time: number, { until, length }: Periods, count: number): number {
  const age = Math.ceil((until - time) / length) - 1
  return age >= 0 && age < count ? count - 1 - age : -1
}

/** A time well inside a period, 0 the oldest of `count`. */
export function middleOfPeriod(period: number, { until, length }: Periods, count: number): number {
  return until - (count - period - 0.5) * length
}
