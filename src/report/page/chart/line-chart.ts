/** Line charts as SVG inside a page, which has their colors for light and dark. */
import { invalidArgument } from '../../../core/errors.ts'
import { type Html, html, shortenedApart } from '../html.ts'
import { spreadLabels } from './labels.ts'
import { type AxisOptions, type Scale, scaleOf } from './scale.ts'

export interface ChartCurve {
  readonly name: string
  readonly points: readonly Point[]
  /** `steps` holds each value to the next x; `points` has no line. Default `line`. */
  readonly shape?: 'line' | 'steps' | 'points'
  /** Of each point, as a line through it. */
  readonly intervals?: readonly (readonly [low: number, high: number])[]
}

type Point = readonly [x: number, y: number]

/** A value to compare curves with. */
export interface ReferenceLevel {
  readonly name: string
  readonly value: number
}

export interface LineChart {
  readonly x: AxisOptions
  readonly y: AxisOptions
  /** At most `mostCurves`. */
  readonly curves: readonly ChartCurve[]
  readonly levels?: readonly ReferenceLevel[]
  /** A line where y is x. */
  readonly diagonal?: string
}

/** Curves that a reader can tell apart: the stylesheet has as many colors. */
export const mostCurves = 6

/** Patterns of lines, so that curves differ without color, and where one is on another. */
const dashes = ['none', '7 4', '2 3', '10 3 2 3', '4 2', '1 4']

/** Room for a screen, and for a phone or a column in print. */
const layouts = {
  wide: { width: 720, height: 330, most: 30 },
  narrow: { width: 360, height: 260, most: 42 },
} as const
export type ChartWidth = keyof typeof layouts

/** Pixels of a letter of the labels in a wide font. */
const letter = 8.2

interface Frame {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
  readonly x: Scale
  readonly y: Scale
}

interface Label {
  readonly name: string
  /** Where its curve ends. */
  readonly x: number
  readonly y: number
  /** Class of the color. */
  readonly series: string
  readonly dash: string
}

/**
 * Draws a chart. Curves are labeled where they end, or above the chart where there is no room next to it; a single one is what its axis
 * says.
 *
 * @param text what the picture shows, for those who do not see it
 * @throws VideoMaeError `INVALID_ARGUMENT` without points, with too many curves or with values that are not finite
 */
export function drawLineChart(chart: LineChart, text: string, layout: ChartWidth): Html {
  requireDrawable(chart)
  const { width, most } = layouts[layout]
  const height = heightOf(chart, layout)
  const frame = frameOf(chart, layout)
  const labels = labelsOf(chart, frame, most)
  return html`<svg class="chart ${layout}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${text}">${axes(chart, frame, height)}${
    chart.diagonal === undefined ? null : diagonal(chart.diagonal, frame)
  }${(chart.levels ?? []).map(({ value }) => {
    const y = px(frame.y.pixelsOf(value))
    return html`<path class="level" d="M${px(frame.left)} ${y}H${px(frame.right)}"/>`
  })}${chart.curves.map((curve, i) => drawCurve(curve, i, frame))}${
    labels.length < 2 ? null : layout === 'wide' ? labelsBeside(labels, frame) : labelsAbove(labels)
  }</svg>`
}

function requireDrawable({ curves, levels = [] }: LineChart): void {
  if (curves.length > mostCurves) throw invalidArgument('curves', `at most ${mostCurves}`, curves.length)
  const points = curves.flatMap(({ points }) => points)
  if (points.length === 0) throw invalidArgument('curves', 'at least one point', 0)
  const bad = [...points.flat(), ...levels.map(({ value }) => value)].find((value) => !Number.isFinite(value))
  if (bad !== undefined) throw invalidArgument('curves', 'finite numbers', bad)
}

/** Pixels of the labels above a narrow chart. */
function above({ curves, levels = [] }: LineChart, layout: ChartWidth): number {
  const labels = curves.length + levels.length
  return layout === 'wide' || labels < 2 ? 0 : 18 * labels + 10
}

function heightOf(chart: LineChart, layout: ChartWidth): number {
  return layouts[layout].height + above(chart, layout)
}

function frameOf(chart: LineChart, layout: ChartWidth): Frame {
  const { width, most } = layouts[layout]
  const height = heightOf(chart, layout)
  const names = namesOf(chart, most).map((name) => [...name].length)
  const [left, bottom] = [58, height - 46]
  const right = layout === 'wide' && names.length > 1 ? width - 34 - letter * Math.max(...names) : width - 26
  const top = 30 + above(chart, layout)
  const points = chart.curves.flatMap((curve) => curve.points)
  const ys = [...points.map(([, y]) => y), ...(chart.levels ?? []).map(({ value }) => value)]
  return {
    ...{ left, right, top, bottom },
    x: scaleOf(
      points.map(([x]) => x),
      chart.x,
      left,
      right,
    ),
    y: scaleOf(ys, chart.y, bottom, top),
  }
}

function axes({ x, y }: LineChart, frame: Frame, height: number): Html {
  const { left, right, top, bottom } = frame
  const wide = frame.x.ticks.some(({ text }) => text.length > 5)
  const marks = wide && right - left < 340 ? frame.x.ticks.filter((_, i) => i % 2 === 0) : frame.x.ticks
  return html`${frame.y.ticks.map(({ value, text }) => {
    const at = px(frame.y.pixelsOf(value))
    return html`<path class="grid" d="M${px(left)} ${at}H${px(right)}"/><text x="${px(left - 8)}" y="${at}" dy="4" text-anchor="end">${text}</text>`
  })}${marks.map(({ value, text }) => {
    const at = px(frame.x.pixelsOf(value))
    return html`<path class="axis" d="M${at} ${px(bottom)}v5"/><text x="${at}" y="${px(bottom + 19)}" text-anchor="middle">${text}</text>`
  })}<path class="axis" d="M${px(left)} ${px(bottom)}H${px(right)}"/><text class="title" x="${px((left + right) / 2)}" y="${px(height - 6)}" text-anchor="middle">${x.label}</text><text class="title" x="4" y="${px(top - 15)}">${y.label}</text>`
}

function diagonal(name: string, { x, y }: Frame): Html {
  const [low, high] = [Math.max(x.low, y.low), Math.min(x.high, y.high)]
  const at = low + 0.85 * (high - low)
  const d = `M${px(x.pixelsOf(low))} ${px(y.pixelsOf(low))}L${px(x.pixelsOf(high))} ${px(y.pixelsOf(high))}`
  return html`<path class="level" d="${d}"/><text class="note" x="${px(x.pixelsOf(at) - 8)}" y="${px(y.pixelsOf(at) - 6)}" text-anchor="end">${name}</text>`
}

function drawCurve({ points, shape = 'line', intervals = [] }: ChartCurve, i: number, { x, y }: Frame): Html | null {
  if (points.length === 0) return null
  const inPixels = points.map((point): Point => [x.pixelsOf(point[0]), y.pixelsOf(point[1])])
  const bars = intervals.map(([low, high], k) => {
    return html`<path class="interval s${i}" d="M${px(inPixels[k][0])} ${px(y.pixelsOf(low))}V${px(y.pixelsOf(high))}"/>`
  })
  if (shape === 'points' || points.length === 1)
    return html`${bars}${inPixels.map(([cx, cy]) => html`<circle class="dot s${i}" cx="${px(cx)}" cy="${px(cy)}" r="4.5"/>`)}`
  const drawn = thinned(inPixels)
  const d =
    shape === 'steps'
      ? drawn.map(([atX, atY], k) => (k === 0 ? `M${px(atX)} ${px(atY)}` : `H${px(atX)}V${px(atY)}`)).join('')
      : `M${drawn.map(([atX, atY]) => `${px(atX)} ${px(atY)}`).join('L')}`
  return html`${bars}<path class="curve s${i}" d="${d}" stroke-dasharray="${dashes[i]}"/>`
}

/** Of the points in one column of pixels the first, the lowest, the highest and the last: what a longer curve would look like. */
function thinned(points: readonly Point[]): readonly Point[] {
  if (points.length <= 500) return points
  const columns = new Map<number, Point[]>()
  for (const point of points) {
    const column = Math.round(point[0])
    const there = columns.get(column)
    if (there === undefined) columns.set(column, [point])
    else there.push(point)
  }
  return [...columns.values()].flatMap((column) => {
    const low = column.reduce((least, point) => (point[1] < least[1] ? point : least))
    const high = column.reduce((most, point) => (point[1] > most[1] ? point : most))
    return column.filter((point, i) => i === 0 || i === column.length - 1 || point === low || point === high)
  })
}

/** What curves and levels are called in the chart, in this order. */
const namesOf = ({ curves, levels = [] }: LineChart, most: number): string[] =>
  shortenedApart(
    [...curves, ...levels].map(({ name }) => name),
    most,
  )

function labelsOf(chart: LineChart, { x, y, right }: Frame, most: number): Label[] {
  const { curves, levels = [] } = chart
  const names = namesOf(chart, most)
  const named = curves.flatMap(({ points, shape }, i): Label[] => {
    if (points.length === 0) return []
    // A stepped curve ends with a fall to 0, where all of them meet: it is labeled before that.
    const last = points[shape === 'steps' && points.length > 1 ? points.length - 2 : points.length - 1]
    const end = points[points.length - 1]
    const label = { name: names[i], series: `s${i}`, dash: dashes[i] }
    return [{ ...label, x: x.pixelsOf(end[0]), y: y.pixelsOf(last[1]) }]
  })
  const compared = levels.map(({ value }, i): Label => {
    return { name: names[curves.length + i], x: right, y: y.pixelsOf(value), series: 'level', dash: '1 3' }
  })
  return [...named, ...compared]
}

function labelsBeside(labels: readonly Label[], { right, top, bottom }: Frame): Html {
  const heights = spreadLabels(
    labels.map(({ y }) => y),
    17,
    [top, bottom],
  )
  return html`${labels.map(({ name, x, y, series }, i) => {
    const leader = `M${px(x + 3)} ${px(y)}L${px(right + 20)} ${px(heights[i])}`
    // A curve that ends early has a dot there: what follows is no part of it.
    const end = x < right - 20 ? html`<circle class="dot ${series}" cx="${px(x)}" cy="${px(y)}" r="3"/>` : null
    return html`${end}<path class="leader ${series}" d="${leader}"/><text class="label" x="${px(right + 25)}" y="${px(heights[i])}" dy="4">${name}</text>`
  })}`
}

function labelsAbove(labels: readonly Label[]): Html {
  return html`${labels.map(({ name, series, dash }, i) => {
    const y = 10 + 18 * i
    return html`<path class="curve ${series}" d="M4 ${y}h26" stroke-dasharray="${dash}"/><text class="label" x="38" y="${y}" dy="4">${name}</text>`
  })}`
}

const px = (value: number): string => String(Number(value.toFixed(1)))
