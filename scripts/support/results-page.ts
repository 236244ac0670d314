/**
 * The tables of dev/results.md. A line `<!-- NAME.csv -->` before a table names the file in dev/results/ that it is rendered from. The
 * first columns of a file say when and how a row was measured, and which cells are emphasized; the others are the table.
 */
import { readRecords } from '../../src/format/csv.ts'

/** Columns that are not shown. `emphasis`: `bold COLUMN` or `italic COLUMN`, joined by `; `. */
const about = ['date', 'command', 'emphasis'] as const

const signs: Readonly<Record<string, string>> = { bold: '**', italic: '*' }

/**
 * The page with all tables rendered anew.
 *
 * @param page text of the page
 * @param read text of a file of results by its name
 * @throws Error for a file of results that is not as it should be, with its name and line
 */
export function renderResults(page: string, read: (name: string) => string): string {
  const lines: string[] = []
  let skipping = false
  for (const line of page.split('\n')) {
    if (skipping && line.startsWith('|')) continue
    skipping = false
    lines.push(line)
    const [, name] = /^<!-- ([\w-]+\.csv) -->$/.exec(line) ?? []
    if (name === undefined) continue
    lines.push(...renderTable(name, read(name)))
    skipping = true
  }
  return lines.join('\n')
}

/** Names of the files that a page renders, in its order. */
export const resultsOf = (page: string): string[] =>
  [...page.matchAll(/^<!-- ([\w-]+\.csv) -->$/gm)].map(([, name]) => name)

function renderTable(name: string, text: string): string[] {
  const wrong = (line: number, message: string): never => {
    throw new Error(`dev/results/${name}, line ${line}: ${message}`)
  }
  const [head, ...rows] = readRecords(text, ',', wrong)
  if (head === undefined || rows.length === 0) return wrong(1, 'expected a row of names and at least one of results.')
  if (about.some((column, i) => head.fields[i] !== column)) wrong(1, `expected the columns ${about.join(', ')} first.`)
  const columns = head.fields.slice(about.length)
  const shown = rows.map(({ line, fields }) => {
    if (fields.length !== head.fields.length)
      wrong(line, `expected ${head.fields.length} fields, got ${fields.length}.`)
    const [date, command, emphasis, ...cells] = fields
    if (!/^\d{4}-\d\d-\d\d$/.test(date)) wrong(line, `expected a date like 2026-11-22, got "${date}".`)
    if (command === '') wrong(line, 'expected the command that gave these results.')
    for (const each of emphasis === '' ? [] : emphasis.split('; ')) {
      const [kind, ...column] = each.split(' ')
      const i = columns.indexOf(column.join(' '))
      if (i < 0 || !(kind in signs)) wrong(line, `expected "bold COLUMN" or "italic COLUMN", got "${each}".`)
      cells[i] = `${signs[kind]}${cells[i]}${signs[kind]}`
    }
    return cells
  })
  return [rowOf(columns), `|${'---|'.repeat(columns.length)}`, ...shown.map(rowOf)]
}

const rowOf = (cells: readonly string[]): string =>
  `|${cells.map((cell) => (cell === '' ? ' |' : ` ${cell} |`)).join('')}`
