/** When videos were collected, as their list says, and the periods of rule `temporal`. */
import { checkPeriods, type Periods } from '../certify/data/periods.ts'
import { invalidArgument, VideoMaeError } from '../core/errors.ts'
import type { LabelledVideo } from '../finetune/dataset.ts'

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

/** A number as it is, a date as milliseconds since 1970; without a time zone it is in UTC, on every machine. */
function parseTime(text: string): Time | null {
  const date = dateForm.test(text)
  const [day, clock] = text.split(/[T ]/)
  const zoned = clock === undefined || /Z|[+-]/.test(clock)
  const value = date ? Date.parse(clock === undefined ? day : `${day}T${clock}${zoned ? '' : 'Z'}`) : Number(text)
  return Number.isFinite(value) && text !== '' ? { kind: date ? 'date' : 'number', value } : null
}

/** [videos] undefined where a video has no time, one that cannot be read, or one of another kind. */
export function timesOf(videos: readonly LabelledVideo[]): number[] | undefined {
  const times = videos.map(({ time }) => (time === undefined ? null : parseTime(time)))
  const known = times.filter((time) => time !== null)
  if (known.length < times.length || known.some(({ kind }) => kind !== known[0].kind)) return undefined
  return known.map(({ value }) => value)
}

/**
 * The periods, in the unit of `timesOf`.
 *
 * @throws VideoMaeError `TIME_MISSING`, `TIME_INVALID` naming the first video; `INVALID_ARGUMENT` for an end or a length that
 *   is not of the kind of the times
 */
export function periodsOf(
  { until, length, coverage = 1 }: PeriodOptions,
  videos: readonly LabelledVideo[],
  onNote: (note: string) => void,
): Periods {
  const end = parseTime(until)
  if (end === null) throw invalidArgument('until', 'a date such as 2024-06-01, or a number', until)
  for (const { id, time } of videos) {
    if (time === undefined) {
      throw new VideoMaeError(`Expected a time for every video, but ${id} has none.`, {
        code: 'TIME_MISSING',
        exit: 'data',
        hint: 'Use a CSV with the columns path,label,time, where the time is a date (2024-05-17) or a number, given when the video was collected.',
      })
    }
    if (parseTime(time)?.kind !== end.kind) {
      throw new VideoMaeError(
        `Expected the time of ${id} to be a ${end.kind}, as the end of the periods is, but it is ${JSON.stringify(time)}.`,
        {
          code: 'TIME_INVALID',
          exit: 'data',
          hint: 'Times are dates (2024-05-17, 2024-05-17T12:30Z) or numbers, all of one kind.',
        },
      )
    }
  }
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([hdw]?)$/.exec(length) ?? []
  if (amount === undefined || (unit === '') !== (end.kind === 'number'))
    throw invalidArgument('period', end.kind === 'date' ? 'a length such as 12h, 7d or 4w' : 'a number', length)
  const periods = { until: end.value, length: Number(amount) * (lengths[unit] ?? 1), coverage }
  checkPeriods(periods)
  const late = (timesOf(videos) ?? []).filter((time) => time >= end.value).length
  if (late > 0) onNote(`${late} training videos are not from before ${until}: they are left out.`)
  return periods
}
