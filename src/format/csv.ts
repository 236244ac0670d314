/** Records of separated values after RFC 4180, with empty lines, comments (`#`) and blanks around fields besides. */
export interface CsvRecord {
  /** Line that the record begins on, from 1, and the one it ends on. */
  readonly line: number
  readonly lastLine: number
  /** Quoted fields as they stand between their quotes, others without the blanks around them. */
  readonly fields: readonly string[]
}

/** Called with a line and what is wrong there. */
export type ReportLine = (line: number, message: string) => never

/** The end of a line, whatever system wrote it. */
export const lineEnd = /\r\n|\n|\r/

/** What some programs take for the end of a line, and others for a part of a field. */
const otherLineEnds: readonly (readonly [character: string, name: string])[] = [
  ['\u2028', 'U+2028 (line separator)'],
  ['\u2029', 'U+2029 (paragraph separator)'],
  ['\u0085', 'U+0085 (next line)'],
  ['\v', 'U+000B (vertical tab)'],
  ['\f', 'U+000C (form feed)'],
]

/** All lines of a text: each is part of a record, empty, or a comment. */
export interface CsvTable {
  readonly records: readonly CsvRecord[]
  /** Lines of comments and empty lines, from 1. */
  readonly comments: readonly number[]
  readonly empty: readonly number[]
  readonly quotes: QuoteForm
}

/** How a quote is written inside a quoted field: `""` (RFC 4180), or `\"` as `write.table` of R writes it. */
export type QuoteForm = 'doubled' | 'backslash'

/** Whether a line outside records is a comment. */
export type IsComment = (line: string) => boolean

const beginsWithHash: IsComment = (line) => line.startsWith('#')

/**
 * Reads records. A quoted field may hold separators, quotes and line ends, so records are not lines; empty lines and comments
 * are so only between records. Quotes inside quotes are doubled. Where that cannot be read, they may follow a backslash.
 *
 * @param separator one character
 * @param isComment default: what begins with `#`
 */
export function readTable(
  text: string,
  separator: string,
  report: ReportLine,
  isComment: IsComment = beginsWithHash,
): CsvTable {
  if (!text.includes('\\"')) return readForm(text, separator, report, isComment, 'doubled')
  const [doubled, backslash] = (['doubled', 'backslash'] as const).map((quotes) =>
    tryForm(text, separator, isComment, quotes),
  )
  if (doubled instanceof Unreadable)
    return backslash instanceof Unreadable ? report(doubled.line, doubled.message) : backslash
  if (backslash instanceof Unreadable) return doubled
  const other = doubled.records.find(({ fields }, i) => fields.join('\n') !== backslash.records[i]?.fields.join('\n'))
  if (other === undefined) return doubled
  return report(
    other.line,
    'expected quotes with only one reading, but here \\" may be an escaped quote, or a backslash before the quote that closes the field: double the quotes inside fields ("")',
  )
}

class Unreadable extends Error {
  readonly line: number

  constructor(line: number, message: string) {
    super(message)
    this.line = line
  }
}

function tryForm(text: string, separator: string, isComment: IsComment, quotes: QuoteForm): CsvTable | Unreadable {
  const report = (line: number, message: string): never => {
    throw new Unreadable(line, message)
  }
  try {
    return readForm(text, separator, report, isComment, quotes)
  } catch (error) {
    if (error instanceof Unreadable) return error
    throw error
  }
}

function readForm(
  text: string,
  separator: string,
  report: ReportLine,
  isComment: IsComment,
  quotes: QuoteForm,
): CsvTable {
  const records: CsvRecord[] = []
  const comments: number[] = []
  const empty: number[] = []
  let [at, line] = [0, 1]
  while (at < text.length) {
    const rest = lineAt(text, at)
    const blank = rest.trim() === ''
    if (blank || isComment(rest)) {
      if (blank) empty.push(line)
      else comments.push(line)
      at = behindLine(text, at + rest.length)
      line++
      continue
    }
    const began = line
    const fields: string[] = []
    for (;;) {
      const field = readField(text, at, { separator, line, report, quotes })
      fields.push(field.value)
      at = field.end
      line = field.line
      if (text[at] !== separator) break
      at++
    }
    records.push({ line: began, lastLine: line, fields })
    at = behindLine(text, at)
    line++
  }
  return { records, comments, empty, quotes }
}

/** The records of `readTable`. */
export function readRecords(text: string, separator: string, report: ReportLine): CsvRecord[] {
  return [...readTable(text, separator, report).records]
}

/**
 * What is outside quotes in the first record of a text whose separator is not known yet, separators among it. A
 * quote opens a field over several lines only where a field may begin.
 */
export function outsideQuotes(text: string): string {
  let outside = ''
  for (let at = 0; at < text.length && text[at] !== '\n' && text[at] !== '\r'; at++) {
    const close = text[at] === '"' ? closingQuote(text, at) : -1
    const whole = close >= 0 && (/(?:^|[,;|\t])\s*$/.test(outside) || !lineEnd.test(text.slice(at, close)))
    if (whole) at = close
    else outside += text[at]
  }
  return outside
}

/** A field that `readRecords` reads as what it was, in any column of a record of several. */
export function csvField(value: string | number): string {
  const text = String(value)
  // A record that begins with # would be a comment.
  const plain = text === text.trim() && !/[",;|\t\n\r\v\f\u0085\u2028\u2029]|^#/.test(text)
  return plain ? text : `"${text.replaceAll('"', '""')}"`
}

/**
 * A field of a table that people open in a spreadsheet. Text that would be computed there (it begins with `=`, `+`, `-`, `@` or their
 * wide forms, also behind blanks) gets an apostrophe in front, which makes it text (OWASP, CSV injection). Numbers stay.
 */
export function spreadsheetField(value: string | number): string {
  return csvField(typeof value === 'string' && /^\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]/.test(value) ? `'${value}` : value)
}

interface Field {
  readonly value: string
  /** Offset of the separator or line end after it. */
  readonly end: number
  /** Line that it ends on. */
  readonly line: number
}

interface FieldContext {
  readonly separator: string
  readonly line: number
  readonly report: ReportLine
  readonly quotes: QuoteForm
}

function readField(text: string, at: number, context: FieldContext): Field {
  const { separator, line, report } = context
  let end = at
  while (end < text.length && text[end] !== separator && text[end] !== '\n' && text[end] !== '\r') {
    if (text[end] === '"' && text.slice(at, end).trim() === '') return readQuoted(text, end, context)
    end++
  }
  const value = text.slice(at, end).trim()
  const other = otherLineEnds.find(([character]) => value.includes(character))
  if (other !== undefined)
    report(
      line,
      `expected lines that end with LF or CR LF, but found ${other[1]} inside a field: write it as a line end, or quote the field`,
    )
  return { value, end, line }
}

/** @param at offset of the opening quote */
function readQuoted(text: string, at: number, { separator, line, report, quotes }: FieldContext): Field {
  const close = quotes === 'doubled' ? closingQuote(text, at) : closingAfterBackslashes(text, at)
  if (close < 0) return report(line, 'expected a closing quote')
  const value = text.slice(at + 1, close)
  const endLine = line + value.split(lineEnd).length - 1
  let end = close + 1
  while (end < text.length && text[end] !== separator && text[end] !== '\n' && text[end] !== '\r') {
    // A forgotten quote makes the next one a closing one: what comes after it tells.
    if (text[end].trim() !== '') {
      report(line, `expected a separator or a line end after the quote that closes the field on line ${endLine}`)
    }
    end++
  }
  return { value: value.replaceAll(quotes === 'doubled' ? '""' : '\\"', '"'), end, line: endLine }
}

/** @returns offset of the quote that closes the one at `at`, or -1 */
function closingQuote(text: string, at: number): number {
  let close = text.indexOf('"', at + 1)
  while (close >= 0 && text[close + 1] === '"') close = text.indexOf('"', close + 2)
  return close
}

/** @returns offset of the first quote without a backslash before it, or -1 */
function closingAfterBackslashes(text: string, at: number): number {
  let close = text.indexOf('"', at + 1)
  while (close >= 0 && text[close - 1] === '\\') close = text.indexOf('"', close + 1)
  return close
}

function lineAt(text: string, at: number): string {
  let end = at
  while (end < text.length && text[end] !== '\n' && text[end] !== '\r') end++
  return text.slice(at, end)
}

/** @param at offset of a line end, or of the end of the text */
function behindLine(text: string, at: number): number {
  return at + (text[at] === '\r' && text[at + 1] === '\n' ? 2 : 1)
}
