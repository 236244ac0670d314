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

/** All lines of a text: each is part of a record, empty, or a comment. */
export interface CsvTable {
  readonly records: readonly CsvRecord[]
  /** Lines of comments and empty lines, from 1. */
  readonly comments: readonly number[]
  readonly empty: readonly number[]
}

/** Whether a line outside records is a comment. */
export type IsComment = (line: string) => boolean

const beginsWithHash: IsComment = (line) => line.startsWith('#')

/**
 * Reads records. A quoted field may hold separators, quotes (doubled) and line ends, so records are not lines; empty lines
 * and comments are so only between records.
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
      const field = readField(text, at, separator, line, report)
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
  return { records, comments, empty }
}

/** The records of `readTable`. */
export function readRecords(text: string, separator: string, report: ReportLine): CsvRecord[] {
  return [...readTable(text, separator, report).records]
}

/**
 * What stands outside quotes in the first record of a text whose separator is not known yet, separators among it. A
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

/** A field that `readRecords` reads as what it was, in any place of a record of several. */
export function csvField(value: string | number): string {
  const text = String(value)
  // A record that begins with # would be a comment.
  const plain = text === text.trim() && !/[",;|\t\n\r]|^#/.test(text)
  return plain ? text : `"${text.replaceAll('"', '""')}"`
}

interface Field {
  readonly value: string
  /** Place of the separator or line end behind it. */
  readonly end: number
  /** Line that it ends on. */
  readonly line: number
}

function readField(text: string, at: number, separator: string, line: number, report: ReportLine): Field {
  let end = at
  while (end < text.length && text[end] !== separator && text[end] !== '\n' && text[end] !== '\r') {
    if (text[end] === '"' && text.slice(at, end).trim() === '') return readQuoted(text, end, separator, line, report)
    end++
  }
  return { value: text.slice(at, end).trim(), end, line }
}

/** @param at place of the opening quote */
function readQuoted(text: string, at: number, separator: string, line: number, report: ReportLine): Field {
  const close = closingQuote(text, at)
  if (close < 0) return report(line, 'expected a closing quote')
  const value = text.slice(at + 1, close)
  const endLine = line + value.split(lineEnd).length - 1
  let end = close + 1
  while (end < text.length && text[end] !== separator && text[end] !== '\n' && text[end] !== '\r') {
    // A forgotten quote makes the next one a closing one: what stands behind it tells.
    if (text[end].trim() !== '') {
      report(line, `expected a separator or a line end behind the quote that closes the field on line ${endLine}`)
    }
    end++
  }
  return { value: value.replaceAll('""', '"'), end, line: endLine }
}

/** @returns place of the quote that closes the one at `at`, or -1 */
function closingQuote(text: string, at: number): number {
  let close = text.indexOf('"', at + 1)
  while (close >= 0 && text[close + 1] === '"') close = text.indexOf('"', close + 2)
  return close
}

function lineAt(text: string, at: number): string {
  let end = at
  while (end < text.length && text[end] !== '\n' && text[end] !== '\r') end++
  return text.slice(at, end)
}

/** @param at place of a line end, or of the end of the text */
function behindLine(text: string, at: number): number {
  return at + (text[at] === '\r' && text[at + 1] === '\n' ? 2 : 1)
}
