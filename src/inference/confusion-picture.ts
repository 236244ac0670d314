/** The confusion matrix as a picture: rows are true classes, columns predictions, shades the share of the row. */
import { escapeXml } from '../format/xml.ts'

/** White to dark blue, so that it reads in gray too. */
function shade(share: number): string {
  const mix = (from: number, to: number): number => Math.round(from + (to - from) * share)
  return `rgb(${mix(255, 8)},${mix(255, 48)},${mix(255, 107)})`
}

/** @param confusion [true class][predicted class] */
export function confusionSvg(confusion: readonly (readonly number[])[], labels: readonly string[]): string {
  const classes = labels.length
  const named = classes <= 60
  const cell = named ? Math.max(14, Math.min(48, Math.floor(720 / classes))) : Math.max(2, Math.floor(900 / classes))
  const longest = Math.min(30, Math.max(...labels.map((label) => label.length)))
  const margin = named ? 40 + 7 * longest : 40
  const side = classes * cell
  const numbered = cell >= 20
  const parts: string[] = []
  for (const [row, counts] of confusion.entries()) {
    const total = counts.reduce((a, b) => a + b, 0)
    for (const [column, count] of counts.entries()) {
      if (count === 0) continue
      const share = count / total
      const [x, y] = [margin + column * cell, margin + row * cell]
      parts.push(`<rect x="${x}" y="${y}" width="${cell}" height="${cell}" fill="${shade(share)}"/>`)
      if (numbered) {
        const ink = share > 0.5 ? '#fff' : '#000'
        parts.push(
          `<text x="${x + cell / 2}" y="${y + cell / 2 + 4}" text-anchor="middle" fill="${ink}">${count}</text>`,
        )
      }
    }
  }
  if (named) {
    for (const [i, label] of labels.entries()) {
      const text = escapeXml(label.length > 30 ? `${label.slice(0, 29)}…` : label)
      const middle = margin + (i + 0.5) * cell
      parts.push(`<text x="${margin - 6}" y="${middle + 4}" text-anchor="end">${text}</text>`)
      parts.push(
        `<text x="${middle + 4}" y="${margin - 6}" transform="rotate(-90 ${middle + 4} ${margin - 6})">${text}</text>`,
      )
    }
  }
  const size = margin + side + 10
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="0 0 ${size} ${size}" ` +
    `font-family="sans-serif" font-size="${named ? Math.min(12, cell - 1) : 12}">` +
    `<rect width="${size}" height="${size}" fill="#fff"/>` +
    `<rect x="${margin}" y="${margin}" width="${side}" height="${side}" fill="none" stroke="#888"/>` +
    `${parts.join('')}` +
    `<text x="${margin + side / 2}" y="16" text-anchor="middle" font-size="13">predicted</text>` +
    `<text x="16" y="${margin + side / 2}" text-anchor="middle" font-size="13" transform="rotate(-90 16 ${margin + side / 2})">true</text>` +
    '</svg>\n'
  )
}
