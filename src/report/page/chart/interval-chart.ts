/** Shares with their intervals, one below the other, next to levels to compare them with. */
import { type Html, html, shortened } from '../html.ts'
import type { ChartWidth, ReferenceLevel } from './line-chart.ts'

export interface IntervalRow {
  readonly name: string
  /** Shares, 0 to 1. */
  readonly value: number
  readonly low: number
  readonly high: number
  /** The number as text. */
  readonly text: string
}

/**
 * @param text what the picture shows, for those who do not see it
 */
export function drawIntervals(
  rows: readonly IntervalRow[],
  levels: readonly ReferenceLevel[],
  text: string,
  layout: ChartWidth,
): Html {
  const wide = layout === 'wide'
  const width = wide ? 720 : 360
  const rowHeight = wide ? 34 : 48
  const [left, right] = wide ? [130, width - 190] : [16, width - 24]
  const top = 14 + 19 * levels.length
  const bottom = top + rows.length * rowHeight + 6
  const x = (share: number): string => String(Number((left + share * (right - left)).toFixed(1)))
  return html`<svg class="chart ${layout}" viewBox="0 0 ${width} ${bottom + 26}" role="img" aria-label="${text}">${[
    0, 0.25, 0.5, 0.75, 1,
  ].map(
    (share) =>
      html`<path class="grid" d="M${x(share)} ${top}V${bottom}"/><text x="${x(share)}" y="${bottom + 18}" text-anchor="middle">${100 * share} %</text>`,
  )}${levels.map(({ name, value }, i) => {
    const y = 12 + 19 * i
    const before = value > 0.5
    return html`<path class="level" d="M${x(value)} ${y - 8}V${bottom}"/><text class="note" x="${x(value)}" dx="${before ? -6 : 6}" y="${y}" text-anchor="${before ? 'end' : 'start'}">${shortened(name, wide ? 50 : 30)}</text>`
  })}${rows.map(({ name, value, low, high, text }, i) => {
    const y = top + (i + 0.5) * rowHeight + (wide ? 0 : 10)
    const bar = html`<path class="interval s0" d="M${x(low)} ${y}H${x(high)}"/><circle class="dot s0" cx="${x(value)}" cy="${y}" r="5"/>`
    if (wide)
      return html`<text class="label" x="0" y="${y}" dy="4">${shortened(name, 18)}</text>${bar}<text class="label" x="${width - 178}" y="${y}" dy="4">${text}</text>`
    return html`<text class="label" x="8" y="${y - 14}">${shortened(`${name}: ${text}`, 48)}</text>${bar}`
  })}</svg>`
}
