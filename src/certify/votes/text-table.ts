/** From the bytes of a text file to cells: encoding, separator, header. */
import { type CsvRecord, outsideQuotes, readTable } from '../../format/csv.ts'
import { decodeText, decodeWindows1252 } from '../../format/text-encoding.ts'
import { parseNumber } from './cells.ts'
import { votesRoleOf } from './columns.ts'
import { invalidVotes, numberOf, type ReadOptions } from './reading.ts'

export interface TextTable {
  /** For example `CSV (comma, UTF-8)`. */
  readonly format: string
  readonly separator: string
  /** Names of columns, without blanks around them; null where the file has no header. */
  readonly header: { readonly line: number; readonly names: readonly string[] } | null
  /** Records of one width each, that of the header. */
  readonly records: readonly CsvRecord[]
  /** Lines that hold no input, for people. */
  readonly notes: readonly string[]
}

const separators: readonly (readonly [string, string])[] = [
  ['\t', 'tabs'],
  [';', 'semicolons'],
  [',', 'commas'],
  ['|', 'bars'],
  [' ', 'blanks'],
]

/**
 * @throws VideoMaeError `VOTES_INVALID` with the line
 */
export function readTextTable(file: string, bytes: Uint8Array, options: ReadOptions): TextTable {
  const { text: decoded, encoding } = decode(file, bytes)
  const { text, said } = withoutDirective(decoded)
  const [separator, name] = said ?? separatorOf(text)
  const { text: body, hash } = withoutHash(separator === ' ' ? singleBlanks(text) : text)
  const { records: all, empty } = readTable(
    body,
    separator,
    (line, message) => {
      throw invalidVotes(file, `line ${line} cannot be read: ${message}`)
    },
    // An id may begin with #; a comment among inputs would be an input less.
    () => false,
  )
  const trimmed = all.map((record) => ({ ...record, fields: record.fields.map((field) => field.trim()) }))
  const holds = ({ fields }: CsvRecord) => fields.length === 1 || fields.some((field) => field !== '')
  const records = trimmed.filter(holds)
  if (records.length === 0) throw invalidVotes(file, 'it is empty')
  const last = records[records.length - 1].line
  const isInside = (line: number) => line > records[0].line && line < last
  const gaps = empty.filter(isInside)
  if (records[0].fields.length === 1 && gaps.length > 0) throw invalidVotes(file, `line ${gaps[0]} is empty`)
  // Spreadsheets fill up with separators behind the last row. Among the others such a row is an input whose votes are missing.
  const blank = trimmed.filter((record) => !holds(record))
  const missing = blank.find(({ line }) => isInside(line))
  if (missing !== undefined)
    throw invalidVotes(
      file,
      `line ${missing.line} has no value in its cells`,
      'Remove the line, or write -1 for each base classifier that abstains. Without that line, the inputs after it would have other numbers.',
    )
  const notes = [
    ...(gaps.length === 0 ? [] : [`${numberOf(gaps.length, 'empty line')} between inputs (line ${gaps[0]})`]),
    ...(blank.length === 0 ? [] : [`${numberOf(blank.length, 'line')} without values (line ${blank[0].line})`]),
  ].map((what) => `${what}: not an input`)
  const format = `CSV (${name}, ${encoding})`
  if (!hasHeader(file, records, hash, options))
    return { format, separator, header: null, records: alike(file, records, 0), notes }
  const [first, ...rest] = records
  // R's write.table names no column of row names.
  const rowNames = rest.length > 0 && rest.every(({ fields }) => fields.length === first.fields.length + 1)
  const names = rowNames ? ['', ...first.fields] : first.fields
  return { format, separator, header: { line: first.line, names }, records: alike(file, rest, names.length), notes }
}

function decode(file: string, bytes: Uint8Array): { readonly text: string; readonly encoding: string } {
  const decoded = decodeText(bytes)
  if (decoded.ok) return decoded
  // What decides are numbers and ASCII names; ids may have accents.
  const western = decoded.kind === 'eight-bit' ? decodeWindows1252(bytes) : null
  if (western !== null) return { text: western, encoding: 'Windows-1252' }
  throw invalidVotes(file, `line ${decoded.line} cannot be read: ${decoded.reason}`)
}

/** `sep=;`, which Excel writes in the first line for itself. The line stays, empty, so that lines keep their numbers. */
function withoutDirective(text: string): { readonly text: string; readonly said?: readonly [string, string] } {
  const match = /^"?sep=([,;|\t])"?[ \t]*(?=\r|\n|$)/i.exec(text)
  if (match === null) return { text }
  return { text: text.slice(match[0].length), said: separators.find(([separator]) => separator === match[1]) }
}

/** `numpy.savetxt` writes its header as a comment. */
function withoutHash(text: string): { readonly text: string; readonly hash: boolean } {
  const match = /^(\s*)#+ ?/.exec(text)
  return match === null ? { text, hash: false } : { text: match[1] + text.slice(match[0].length), hash: true }
}

function singleBlanks(text: string): string {
  return text.replace(/("(?:[^"]|"")*")| +/g, (match) => (match.startsWith('"') ? match : ' ')).replace(/^ | $/gm, '')
}

/** The first in the list that is outside quotes in the first line; commas where there is only one column. */
function separatorOf(text: string): readonly [string, string] {
  const line = text.replace(/^\s*#+ ?/, '').replace(/^[\r\n]+/, '')
  const stands = (separator: string) => outsideQuotes(separator === ' ' ? line.trim() : line).includes(separator)
  return separators.find(([separator]) => stands(separator)) ?? [',', 'one column']
}

function alike(file: string, records: readonly CsvRecord[], width: number): readonly CsvRecord[] {
  const wanted = width === 0 ? records[0].fields.length : width
  for (const { line, fields } of records) {
    if (fields.length === wanted) continue
    const than = width === 0 ? `line ${records[0].line}` : 'the header'
    throw invalidVotes(file, `line ${line} has ${fields.length} cells and ${than} ${wanted}`)
  }
  return records
}

const sayWhich = 'Say whether the first line names the columns: --header yes or --header no.'

/**
 * Whether the first record names columns. It is never guessed: a header that is taken for votes would be an input more, votes
 * that are taken for a header an input less.
 */
function hasHeader(
  file: string,
  [{ fields, line }]: readonly CsvRecord[],
  hash: boolean,
  { header, classNames = [] }: ReadOptions,
): boolean {
  if (header !== undefined) return header
  const numbers = fields.map(parseNumber)
  const counted = numbers.filter((number) => number !== undefined)
  const others = fields.filter((_, column) => numbers[column] === undefined)
  const isCount = counted.every((number, i) => number === i) || counted.every((number, i) => number === i + 1)
  const unclear = (why: string) => invalidVotes(file, `line ${line} ${why}`, sayWhich)
  const names = new Set(classNames.map((name) => name.normalize('NFC')))
  const className = others.find((field) => names.has(field.normalize('NFC')))
  if (className !== undefined && others.length > 0)
    throw unclear(`has the class ${className} where names of columns are expected`)
  if (others.length === 0) {
    if (isCount || hash)
      throw unclear(`may be the numbers of the columns or the votes of an input: ${fields.join(', ')}`)
    return false
  }
  if (counted.length === 0) return true
  // pandas writes the numbers of columns it has no names for, next to names it has.
  if (isCount && others.every((name) => votesRoleOf(name) !== undefined)) return true
  throw unclear('has numbers where names of columns are expected')
}
