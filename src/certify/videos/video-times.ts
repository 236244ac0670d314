/** When videos were collected, as their list says, and the periods of rule `temporal`. */

import { invalidArgument } from '../../core/errors.ts'
import type { LabeledVideo } from '../../dataset/dataset.ts'
import { checkPeriods, type Periods } from '../ensemble/periods.ts'

/** Periods that bound when a poisoned sample may arrive. */
export interface PeriodOptions {
  /** The first time after the newest period, in the form of the `time` column: `2024-06-01` or a number. */
  readonly until: string
  /** Of a period: `12h`, `7d` or `4w` where times are dates, a number where they are numbers. */
  readonly length: string
  /** Periods that each learner is trained on. Default 1. */
  readonly coverage?: number
}

type Time = { readonly kind: 'date' | 'number'; readonly value: number }

const dateForm = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?$/
const lengths: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** Whether the calendar has the day of a date: `Date.parse` takes February 30 for March 1. */
function isCalendarDay(day: string): boolean {
  const value = Date.parse(day)
  return Number.isFinite(value) && new Date(value).toISOString().startsWith(day)
}

/** A number as it is, a date as milliseconds since 1970; without a time zone it is in UTC, on every machine. */
function parseTime(text: string): Time | null {
  const date = dateForm.test(text)
  const [day, clock] = text.split(/[T ]/)
  const zoned = clock === undefined || /Z|[+-]/.test(clock)
  const value = date ? Date.parse(clock === undefined ? day : `${day}T${clock}${zoned ? '' : 'Z'}`) : Number(text)
  if (date && !isCalendarDay(day)) return null
  // Above 2^53 neighboring whole numbers are one double: times in nanoseconds would move across the border of a period.
  if (!date && Number.isInteger(value) && !Number.isSafeInteger(value)) return null
  return Number.isFinite(value) && text.trim() !== '' ? { kind: date ? 'date' : 'number', value } : null
}

/** [videos] undefined where a video has no time, one that cannot be read, or one of another kind. */
export function timesOf(videos: readonly Pick<LabeledVideo, 'time'>[]): number[] | undefined {
  const times = videos.map(({ time }) => (time === undefined ? null : parseTime(time)))
  const known = times.filter((time) => time !== null)
  if (known.length < times.length || known.some(({ kind }) => kind !== known[0].kind)) return undefined
  return known.map(({ value }) => value)
}

/** Periods, and of which kind the times of videos have to be. */
export interface TimeBounds {
  readonly periods: Periods
  readonly kind: Time['kind']
  /** `until` as it was written. */
  readonly until: string
}

/**
 * The periods, in the unit of `timesOf`, from options alone.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for an end that is no time, or a length that is not of its kind
 */
export function timeBounds({ until, length, coverage = 1 }: PeriodOptions): TimeBounds {
  const end = parseTime(until)
  if (end === null) throw invalidArgument('until', 'a date such as 2024-06-01, or a number', until)
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([hdw]?)$/.exec(length) ?? []
  if (amount === undefined || (unit === '') !== (end.kind === 'number'))
    throw invalidArgument('period', end.kind === 'date' ? 'a length such as 12h, 7d or 4w' : 'a number', length)
  const periods = { until: end.value, length: Number(amount) * (lengths[unit] ?? 1), coverage }
  checkPeriods(periods)
  return { periods, kind: end.kind, until }
}

/** Why a video with this time is in no period; null where nothing speaks against it. How far back periods reach is not asked. */
export function problemOfTime(
  time: string | undefined,
  { periods, kind, until }: TimeBounds,
): { readonly code: string; readonly reason: string } | null {
  if (time === undefined) return { code: 'no time', reason: 'it has no time' }
  const parsed = parseTime(time)
  if (parsed?.kind !== kind)
    return {
      code: 'invalid time',
      reason: `its time ${JSON.stringify(time)} is not a ${kind}, but the end of the periods is`,
    }
  return parsed.value < periods.until ? null : { code: 'outside the periods', reason: `it is not from before ${until}` }
}
