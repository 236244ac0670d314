/** Line charts as plain SVG text: axes, legend, steps, bands. No fonts, scripts or styles from elsewhere. */
import { invalidArgument } from '../core/errors.ts'
import { linearTicks, logTicks } from './ticks.ts'
import { escapeXml } from './xml.ts'

/** Patterns of lines, to tell curves of one color apart. */
const strokes = { solid: '', dashed: '6 4', dotted: '1.5 3', mixed: '8 3 1.5 3' } as const
/** Name of how a line is drawn. */
export type Stroke = keyof typeof strokes

/** One line of a chart. */
export interface Curve {
  /** In the legend. */
  readonly name: string
  /** From left to right. */
  readonly points: readonly (readonly [x: number, y: number])[]
  /** `steps` holds each value to the next x, as certified accuracy does. Default `line`. */
  readonly shape?: 'line' | 'steps' | 'points'
  /** Default `solid`. */
  readonly stroke?: Stroke
  /** Lower and upper bound at the same x as the points. */
  readonly band?: readonly (readonly [low: number, high: number])[]
  /** Index of the color; default: the position of the curve. */
  readonly color?: number
}

/** Titles, axes and size of a chart. */
export interface ChartOptions {
  /** Above the chart. */
  readonly title: string
  /** Below the horizontal axis. */
  readonly xLabel: string
  /** Next to the vertical axis. */
  readonly yLabel: string
  /** In the order of the legend. */
  readonly curves: readonly Curve[]
  /** Default `linear`. With `log`, all values are above 0. */
  readonly xScale?: 'linear' | 'log'
  /** Default `linear`. With `log`, all values are above 0. */
  readonly yScale?: 'linear' | 'log'
  /** Smallest and largest value of the vertical axis. Default: those of the curves. */
  readonly yRange?: readonly [number, number]
  /** `whole`: marks at whole numbers only, where an axis counts something. Default: any. */
  readonly xTicks?: 'any' | 'whole'
  /** Whether ticks may be between whole numbers. Default `any`. */
  readonly yTicks?: 'any' | 'whole'
  /** In pixels. */
  readonly width?: number
  /** In pixels. */
  readonly height?: number
}

/** Okabe & Ito (2008): told apart with any kind of color vision. */
const colors = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000', '#8a8a00']

const short = (value: number) => String(Number(value.toFixed(2)))

interface Axis {
  readonly pixelsOf: (value: number) => number
  readonly ticks: readonly number[]
}

function axis(
  values: readonly number[],
  scale: 'linear' | 'log',
  from: number,
  to: number,
  { fixed, whole = false }: { readonly fixed?: readonly [number, number]; readonly whole?: boolean } = {},
): Axis {
  let [low, high] = fixed ?? [Math.min(...values), Math.max(...values)]
  if (scale === 'log') {
    if (!(low > 0)) throw invalidArgument('curves', 'positive values on a logarithmic axis', low)
    if (low === high) [low, high] = [low / 2, high * 2]
    const span = Math.log(high / low)
    return { pixelsOf: (value) => from + ((to - from) * Math.log(value / low)) / span, ticks: logTicks(low, high) }
  }
  if (fixed === undefined && low > 0) low = 0
  if (low === high) high = low + 1
  return {
    pixelsOf: (value) => from + ((to - from) * (value - low)) / (high - low),
    ticks: linearTicks(low, high, whole),
  }
}

/**
 * Draws curves.
 *
 * @returns an SVG document
 * @throws VideoMaeError `INVALID_ARGUMENT` without points or with values that are not finite
 */
export function renderChart(options: ChartOptions): string {
  const { width = 760, height = 440, curves } = options
  const all = curves.flatMap((curve) => curve.points)
  if (all.length === 0) throw invalidArgument('curves', 'at least one point', 0)
  const bad = all.flat().find((value) => !Number.isFinite(value))
  if (bad !== undefined) throw invalidArgument('curves', 'finite numbers', bad)
  const longest = Math.max(...curves.map((curve) => curve.name.length))
  const [left, top, right, bottom] = [64, 40, Math.min(width / 3, 44 + longest * 8), 52]
  const xs = all.map(([x]) => x)
  const ys = [...all.map(([, y]) => y), ...curves.flatMap((curve) => curve.band?.flat() ?? [])]
  const x = axis(xs, options.xScale ?? 'linear', left, width - right, { whole: options.xTicks === 'whole' })
  const y = axis(ys, options.yScale ?? 'linear', height - bottom, top, {
    ...(options.yRange === undefined ? {} : { fixed: options.yRange }),
    whole: options.yTicks === 'whole',
  })

  const lines: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" role="img">`,
    `<title>${escapeXml(options.title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="${left}" y="22" font-size="15" font-weight="bold">${escapeXml(options.title)}</text>`,
  ]
  for (const tick of y.ticks) {
    const at = short(y.pixelsOf(tick))
    lines.push(`<line x1="${left}" y1="${at}" x2="${short(width - right)}" y2="${at}" stroke="#e4e4e4"/>`)
    lines.push(`<text x="${left - 8}" y="${at}" dy="4" text-anchor="end">${tick}</text>`)
  }
  for (const tick of x.ticks) {
    const at = short(x.pixelsOf(tick))
    lines.push(`<line x1="${at}" y1="${height - bottom}" x2="${at}" y2="${height - bottom + 5}" stroke="#444444"/>`)
    lines.push(`<text x="${at}" y="${height - bottom + 19}" text-anchor="middle">${tick}</text>`)
  }
  const corner = `M${left} ${top}V${height - bottom}H${short(width - right)}`
  lines.push(`<path d="${corner}" fill="none" stroke="#444444"/>`)
  const middle = (left + width - right) / 2
  lines.push(`<text x="${short(middle)}" y="${height - 12}" text-anchor="middle">${escapeXml(options.xLabel)}</text>`)
  const center = (top + height - bottom) / 2
  lines.push(
    `<text transform="translate(16 ${short(center)}) rotate(-90)" text-anchor="middle">${escapeXml(options.yLabel)}</text>`,
  )
  for (const [i, curve] of curves.entries()) {
    const color = colors[(curve.color ?? i) % colors.length]
    lines.push(...drawCurve(curve, color, x, y))
    const at = top + 8 + i * 19
    const from = width - right + 12
    const dash = dashOf(curve)
    lines.push(
      curve.shape === 'points'
        ? `<circle cx="${short(from + 9)}" cy="${at}" r="3.5" fill="${color}"/>`
        : `<line x1="${short(from)}" y1="${at}" x2="${short(from + 18)}" y2="${at}" stroke="${color}" stroke-width="2"${dash}/>`,
      `<text x="${short(from + 24)}" y="${at + 4}">${escapeXml(curve.name)}</text>`,
    )
  }
  lines.push('</svg>')
  return `${lines.join('\n')}\n`
}

function dashOf({ stroke = 'solid' }: Curve): string {
  return stroke === 'solid' ? '' : ` stroke-dasharray="${strokes[stroke]}"`
}

/** Without the points that are within a pixel of the last one that is kept: a curve may have thousands. The last one stays. */
function distinguishable(points: Curve['points'], x: Axis, y: Axis): Curve['points'] {
  let [lastX, lastY] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]
  return points.filter(([px, py], i) => {
    const [atX, atY] = [x.pixelsOf(px), y.pixelsOf(py)]
    if (i < points.length - 1 && Math.abs(atX - lastX) < 1 && Math.abs(atY - lastY) < 1) return false
    ;[lastX, lastY] = [atX, atY]
    return true
  })
}

function drawCurve(curve: Curve, color: string, x: Axis, y: Axis): string[] {
  const drawn: string[] = []
  const at = ([px, py]: readonly [number, number]) => `${short(x.pixelsOf(px))} ${short(y.pixelsOf(py))}`
  if (curve.band !== undefined) {
    const upper = curve.points.map(([px], i) => at([px, curve.band?.[i][1] ?? 0]))
    const lower = curve.points.map(([px], i) => at([px, curve.band?.[i][0] ?? 0])).reverse()
    drawn.push(`<path d="M${[...upper, ...lower].join('L')}Z" fill="${color}" fill-opacity="0.15"/>`)
  }
  if (curve.shape === 'points') {
    for (const [px, py] of curve.points)
      drawn.push(`<circle cx="${short(x.pixelsOf(px))}" cy="${short(y.pixelsOf(py))}" r="3.5" fill="${color}"/>`)
    return drawn
  }
  const points = distinguishable(curve.points, x, y)
  const path =
    curve.shape === 'steps'
      ? points
          .map((point, i) =>
            i === 0 ? `M${at(point)}` : `H${short(x.pixelsOf(point[0]))}V${short(y.pixelsOf(point[1]))}`,
          )
          .join('')
      : `M${points.map(at).join('L')}`
  const dash = dashOf(curve)
  drawn.push(`<path d="${path}" fill="none" stroke="${color}" stroke-width="2"${dash}/>`)
  return drawn
}
