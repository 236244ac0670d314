/** Figures of the documents: dev/results/figures/NAME.json has what was measured, and the picture is drawn from it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type ChartOptions, renderChart } from '../../src/certify.ts'
import { commandOf } from './results-file.ts'

/** One figure. */
export interface Figure {
  /** When it was measured, like 2026-11-22. */
  readonly date: string
  /** What measured it, from the root of the repository. */
  readonly command: string
  /** The picture, from the root of the repository. */
  readonly image: string
  readonly chart: ChartOptions
}

/** Folders whose pictures the documents show. */
const folders = ['dev/images', 'docs/images'] as const

/**
 * @param text of a file of dev/results/figures/
 * @returns where the picture is, from the root of the repository, and its text
 * @throws Error for a figure without date, command, or a picture of the documents
 */
export function renderFigure(name: string, text: string): { readonly image: string; readonly svg: string } {
  const { date, command, image, chart } = JSON.parse(text) as Figure
  const wrong = (message: string) => new Error(`dev/results/figures/${name}: ${message}`)
  if (!/^\d{4}-\d\d-\d\d$/.test(date)) throw wrong(`expected a date like 2026-11-22, got "${date}".`)
  if (command === '') throw wrong('expected the command that gave these results.')
  if (!folders.some((folder) => path.posix.dirname(image) === folder) || !image.endsWith('.svg'))
    throw wrong(`expected a picture NAME.svg in ${folders.join(' or ')}, got "${image}".`)
  return { image, svg: renderChart(chart) }
}

/** One curve a line: a change of one is seen as such. */
function figureText({ chart: { curves, ...chart }, ...about }: Figure): string {
  const head = Object.entries(about).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)},\n`)
  const lines = curves.map((curve) => `    ${JSON.stringify(curve)}`).join(',\n')
  const rest = JSON.stringify(chart).slice(1, -1)
  return `{\n${head.join('')}  "chart": {${rest}, "curves": [\n${lines}\n  ]}\n}\n`
}

/**
 * Writes a picture, and next to it NAME.json with what it is drawn from. Copied to dev/results/figures/, with `image` set to the
 * picture of the documents, it is what `npm run results` draws.
 *
 * @param file of the picture, NAME.svg
 * @param image the picture of the documents, from the root of the repository. Default: NAME.svg in dev/images
 */
export function writeFigure(file: string, chart: ChartOptions, image?: string): void {
  const name = path.basename(file)
  const script = path.relative(path.join(import.meta.dirname, '../..'), process.argv[1]).replaceAll(path.sep, '/')
  const date = new Date().toISOString().slice(0, 10)
  const figure = { date, command: commandOf(script), image: image ?? `dev/images/${name}`, chart }
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, renderChart(chart))
  writeFileSync(file.replace(/\.svg$/, '.json'), figureText(figure))
}
