/** Writes what an experiment measured as a file of dev/results/, in the form that results-page.ts renders. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { csvField } from '../../src/format/csv.ts'

/** One row of a table: the names of its columns and their cells. */
export type ResultRow = Readonly<Record<string, string | number>>

/** The arguments of this process behind the name of the script, as a shell takes them. */
const quoted = (argument: string): string => (/^[\w./:=,-]+$/.test(argument) ? argument : `'${argument}'`)

/**
 * @param launcher what starts the script
 * @returns the command of this process, as it can be run again from the root of the repository
 */
export const commandOf = (script: string, launcher = 'npx tsx'): string =>
  [launcher, script, ...process.argv.slice(2).map(quoted)].join(' ')

/**
 * @param file where to write, for instance dev/results/NAME.csv
 * @param script what ran, from the root of the repository; the arguments of this process follow it in the column `command`
 * @param rows all with the same columns; a cell that a row has not is empty
 * @param options.columns their order. Needed where a name is a whole number, which objects put first. Default: as in the first row
 * @param options.launcher what starts the script, for instance mpirun. Default `npx tsx`
 */
export function writeResults(
  file: string,
  script: string,
  rows: readonly ResultRow[],
  {
    columns = Object.keys(rows[0] ?? {}),
    launcher,
  }: { readonly columns?: readonly string[]; readonly launcher?: string } = {},
): void {
  const command = commandOf(script, launcher)
  const date = new Date().toISOString().slice(0, 10)
  const lines = rows.map((row) =>
    [date, command, '', ...columns.map((column) => row[column] ?? '')].map((cell) => csvField(cell)).join(','),
  )
  const head = ['date', 'command', 'emphasis', ...columns].map((cell) => csvField(cell)).join(',')
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, `${[head, ...lines].join('\n')}\n`)
}
