import { grouped } from '../../../core/grouped.ts'
import { linearTicks } from '../../../format/ticks.ts'

export interface Scale {
  /** Pixels of a value. */
  readonly pixelsOf: (value: number) => number
  readonly low: number
  readonly high: number
  readonly ticks: readonly { readonly value: number; readonly text: string }[]
}

export interface AxisOptions {
  readonly label: string
  /** Default: from the values; 0 is among them unless `tight`. */
  readonly range?: readonly [low: number, high: number]
  /** The axis begins at the smallest value: for curves whose changes matter, not their distance from 0. */
  readonly tight?: boolean
  /** Values are shares, shown as percentages; or whole numbers; or any. Default: any. */
  readonly values?: 'shares' | 'whole' | 'any'
}

/**
 * A linear axis.
 *
 * @param values finite numbers, at least one
 * @param from pixels of the lowest value
 * @param to pixels of the highest one
 */
export function scaleOf(
  values: readonly number[],
  { range, tight = false, values: kind = 'any' }: AxisOptions,
  from: number,
  to: number,
): Scale {
  const extent = values.reduce<readonly [number, number]>(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  )
  let [low, high] = range ?? extent
  if (range === undefined && !tight) [low, high] = [Math.min(0, low), Math.max(0, high)]
  if (high - low < 1e-12 * Math.max(1, Math.abs(high)))
    high = low + (kind === 'whole' || low === 0 ? 1 : Math.abs(low) / 10)
  if (range === undefined && tight) {
    const room = (high - low) / 12
    ;[low, high] = [low - room, high + room]
  }
  return {
    pixelsOf: (value) => from + ((to - from) * (value - low)) / (high - low),
    low,
    high,
    ticks: linearTicks(low, high, kind === 'whole').map((value) => ({ value, text: tickText(value, kind) })),
  }
}

function tickText(value: number, kind: AxisOptions['values']): string {
  if (kind === 'shares') return `${Number((100 * value).toPrecision(6))} %`
  const size = Math.abs(value)
  if (size !== 0 && size < 1e-4) return value.toExponential()
  return size >= 10_000 && Number.isInteger(value) ? grouped(value) : String(value)
}
