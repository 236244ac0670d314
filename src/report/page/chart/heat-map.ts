/** A matrix too large for a table. */
import { type Html, html } from '../html.ts'

const levels = 6

/** Cells that are drawn; beyond, a page would not stay small. */
const mostCells = 60_000

/**
 * A square of cells, stronger in color for larger shares, so that a few percent can be seen, too. Cells without anything are not drawn.
 *
 * @param shares [row][column], 0 to 1
 * @param text what the picture shows, for those who do not see it
 * @returns null where there are too many cells
 */
export function drawHeatMap(shares: readonly (readonly number[])[], text: string): Html | null {
  const paths = Array.from({ length: levels }, (): string[] => [])
  let cells = 0
  for (const [row, columns] of shares.entries())
    for (const [column, share] of columns.entries()) {
      if (!(share > 0)) continue
      if (++cells > mostCells) return null
      paths[Math.min(levels - 1, Math.floor(share * levels))].push(`M${column} ${row}h1v1h-1z`)
    }
  const size = shares.length
  return html`<svg class="chart square" viewBox="0 0 ${size} ${size}" role="img" aria-label="${text}"><path class="paper" d="M0 0h${size}v${size}h-${size}z"/>${paths.map(
    (path, i) =>
      path.length > 0 &&
      html`<path class="heat" fill-opacity="${Math.sqrt((i + 1) / levels).toFixed(2)}" d="${path.join('')}"/>`,
  )}</svg>`
}
