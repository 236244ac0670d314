/**
 * Lists of which rows come from an attacker, as a certificate takes them: the header alone has to say how every row is read. Elsewhere
 * a list is read as most of its rows suggest (which of two columns has paths that exist, whether a duration is needed, what separates
 * fields), and then one row more could change what all others mean.
 */
import { VideoMaeError } from '../../core/errors.ts'
import { lineEnd, outsideQuotes } from '../../format/csv.ts'
import { type ListLayout, layoutOf, type UsedColumn } from './layout.ts'
import { candidates, type ListTable } from './records.ts'

/** @param line of the list, from 1 */
export function formNotFixed(file: string, line: number, problem: string, hint: string): VideoMaeError {
  return new VideoMaeError(
    `${file}:${line}: expected a list whose rows cannot change how other rows are read, but ${problem}.`,
    { code: 'LIST_FORM_OPEN', exit: 'data', hint },
  )
}

/**
 * @param content of the list, without a byte order mark
 * @param layout by which its rows are read
 * @throws VideoMaeError `LIST_FORM_OPEN`
 */
export function requireFixedForm(content: string, file: string, table: ListTable, layout: ListLayout): void {
  const { header, records, separator } = table
  const refuse = (line: number, problem: string, hint: string): never => {
    throw formNotFixed(file, line, problem, hint)
  }
  if (header === null) {
    const problem = 'it has no header with known names, so its rows decide what the columns mean'
    throw formNotFixed(file, 1, problem, 'Add a header as the first line, for example path,label or path,label,split.')
  }
  const line = outsideQuotes(content.split(lineEnd)[header.line - 1] ?? '')
  const others = candidates.filter((other) => other !== separator && line.includes(other))
  if (others.length > 0)
    refuse(
      header.line,
      `its header has ${[separator, ...others].map((one) => JSON.stringify(one)).join(' and ')}, and each of them may separate fields`,
      'Rename or remove columns whose names contain a separator.',
    )
  if (table.quotes === 'backslash')
    refuse(
      header.line,
      'only its rows show that quotes inside fields follow a backslash',
      'Double the quotes inside fields ("").',
    )
  // R names no column of row names: then every row has one field more than the header, and else none.
  const odd = records.find(({ fields }) =>
    layout.shift === 1 ? fields.length !== layout.width : fields.length > layout.width,
  )
  if (odd !== undefined)
    refuse(
      odd.line,
      `this row has ${odd.fields.length} fields and the header ${header.fields.length}: the other rows decide which column is which`,
      `Give every column a name in the header, and give every row the same number of fields.${separator === 'blanks' ? ' Quote paths that contain spaces.' : ''}`,
    )
  const long = records.find((record) => record.lastLine > record.line)
  if (long !== undefined)
    refuse(
      long.line,
      `a quoted field continues to line ${long.lastLine}: rows between two quotes that an attacker inserts would become one field`,
      'Write each row on its own line.',
    )
  const columns = 'Remove unintended and empty columns from the list.'
  const fixed = layoutOf(
    table,
    () => false,
    (at, message) => refuse(at, `its rows decide which columns are used (${message})`, columns),
    false,
  )
  const different = differences(layout.used, fixed.used)
  if (different.length > 0)
    refuse(header.line, `its rows decide whether and how these columns are used: ${different.join(', ')}`, columns)
}

/** Columns that only one of two layouts uses. An empty split or fold is none: each row is judged by itself. */
function differences(a: readonly UsedColumn[], b: readonly UsedColumn[]): string[] {
  const keyOf = ({ role, index }: UsedColumn): string => `${role} ${index}`
  const missing = (from: readonly UsedColumn[], to: readonly UsedColumn[]) =>
    from
      .filter(({ role }) => role !== 'split' && role !== 'fold')
      .filter((column) => !to.some((other) => keyOf(other) === keyOf(column)))
  return [...new Set([...missing(a, b), ...missing(b, a)].map(({ name }) => name))]
}
