/** What changes of the protected set cost under a rule, in units of its radius. */
import type { BucketKey } from '../ensemble/buckets.ts'
import { periodOf } from '../ensemble/periods.ts'
import type { RecordedSample } from '../files/sample-record.ts'
import type { InputCertificate } from '../rules/rule.ts'
import type { ReadCertificate, ReadRun } from '../verify/schema.ts'
import { type ChangedUnit, hashedUnit } from './changes.ts'

export interface Cost {
  /** Units of the radius; with periods the length of the shortest stretch that holds all changes. */
  readonly units: number
  /** Why the claim is not about these changes; null where it is. */
  readonly outside: string | null
  /** Whether a certificate of an input is about these changes. */
  covers(input: InputCertificate): boolean
}

/** The unit that a sample belongs to under a run: with periods their number, 0 the newest; null outside all of them. */
export function unitOfRun(
  { periods, learners }: Pick<ReadRun, 'periods' | 'learners'>,
  by: BucketKey,
): (sample: RecordedSample) => string | null {
  if (by !== 'time') return (sample) => hashedUnit(by, sample)
  if (periods === undefined) return () => null
  const count = learners + periods.coverage - 1
  return ({ time = Number.NaN }) => {
    const period = periodOf(time, periods, count)
    return period < 0 ? null : String(count - 1 - period)
  }
}

export function costOf(
  { periods }: Pick<ReadRun, 'periods'>,
  { threat: { threat } }: Pick<ReadCertificate, 'threat'>,
  units: readonly ChangedUnit[],
): Cost {
  const others = units.filter(({ change }) => change !== 'label').length
  const outside =
    threat === 'label_flip' && others > 0
      ? `the claim is about labels only, but ${others} changed ${others === 1 ? 'unit has' : 'units have'} other changes`
      : null
  if (periods !== undefined) {
    const ages = units.map(({ unit }) => Number(unit))
    const [newest, oldest] = ages.reduce(
      ([low, high], age) => [Math.min(low, age), Math.max(high, age)],
      [Number.POSITIVE_INFINITY, -1],
    )
    const length = units.length === 0 ? 0 : oldest - newest + 1
    return {
      units: length,
      outside,
      // The newest periods up to one of this age: what the earliness is about.
      covers: ({ radius, earliness = 0 }) => length <= radius || oldest + 1 <= earliness,
    }
  }
  return {
    units: units.length,
    outside,
    covers: ({ radius, labelRadius = 0 }) => units.length <= (others === 0 ? Math.max(radius, labelRadius) : radius),
  }
}
