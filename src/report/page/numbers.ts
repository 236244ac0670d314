/** Numbers as a page shows them. */
import { grouped } from '../../core/grouped.ts'

/** `24,000` */
export function countText(value: number): string {
  return grouped(value)
}

/** `1 video`, `2 videos` */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${countText(value)} ${value === 1 ? one : many}`
}

/** `33.3 %`. A share that is not whole never looks like one: `> 99.9 %` and not `100.0 %`. */
export function percentText(share: number): string {
  const text = (100 * share).toFixed(1)
  if (text === '100.0') return share < 1 ? '> 99.9 %' : '100 %'
  if (text === '0.0') return share > 0 ? '< 0.1 %' : '0 %'
  return `${text} %`
}

/** `13.8 to 60.9 %` */
export function interval({ low, high }: { readonly low: number; readonly high: number }): string {
  return `${bounds({ low, high })} %`
}

/** `13.8 to 60.9`, below a percentage. */
export function bounds({ low, high }: { readonly low: number; readonly high: number }): string {
  return `${bound(low)} to ${bound(high)}`
}

const bound = (share: number): string => (100 * share).toFixed(1)

/** `digits` significant ones; powers of ten where a number is very small or very large. */
export function significant(value: number, digits = 3): string {
  if (value === 0) return '0'
  const size = Math.abs(value)
  return size < 1e-3 || size >= 1e6 ? value.toExponential(digits - 1) : Number(value.toPrecision(digits)).toString()
}

/** `65 MB` */
export function bytes(value: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  let unit = 0
  let size = value
  for (; size >= 1000 && unit < units.length - 1; unit++) size /= 1000
  return `${unit === 0 ? size : size >= 100 ? size.toFixed(0) : size.toFixed(1)} ${units[unit]}`
}
