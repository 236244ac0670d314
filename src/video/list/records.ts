/** From the text of a list to records: what separates fields, and which lines are comments. */
import { type CsvRecord, type CsvTable, lineEnd, outsideQuotes, type ReportLine, readTable } from '../../format/csv.ts'
import { hasVideoExtension } from '../extensions.ts'
import { isHeader, roleOf } from './columns.ts'

/** What separates fields: a character, `blanks`, or nothing (`lines`: each line is a path). */
export type Separator = ',' | ';' | '\t' | '|' | 'blanks' | 'lines'

export const separatorNames: Readonly<Record<Separator, string>> = {
  ',': 'CSV',
  ';': 'CSV with semicolons',
  '\t': 'TSV',
  '|': 'a list separated by |',
  blanks: 'a list separated by blanks',
  lines: 'a list of one path a line',
}

export interface ListTable extends CsvTable {
  readonly separator: Separator
  /** Fields of the header, and its line; null where there is none. */
  readonly header: CsvRecord | null
  /** Lines that say how the file is written (`sep=;`). */
  readonly directives: readonly number[]
  /** Lines of a text, all told. */
  readonly total: number
  /** Its starts and ends are those that the files are cut to already: `withTrimmedClips`. */
  readonly trimmed?: boolean
}

/** Whether a name in the list leads to a file. */
export type Exists = (name: string) => boolean

/** Characters that may separate fields. */
export const candidates = ['\t', ',', ';', '|'] as const
const sampleSize = 50

/**
 * Reads the records of a list. The separator is that of a header that names a path; without one, that by which most paths
 * exist; where none exists, that of the first record. A line that begins with `#` is a comment, unless it names a file.
 *
 * @param report called for records that cannot be read
 * @param fixedForm separate fields at every blank outside quotes in a list that is separated by blanks. Elsewhere a path may hold
 *   blanks where it exists, and then a file that is added could take over the row of another
 */
export function readListTable(content: string, exists: Exists, report: ReportLine, fixedForm = false): ListTable {
  const { text, separator: said, directives } = readDirective(content)
  const total = content.split(lineEnd).length - (/[\r\n]$/.test(content) || content === '' ? 1 : 0)
  const header = hashHeader(text)
  const body = header === null ? text : blankLine(text, header.line)
  const isComment = (line: string): boolean => line.startsWith('#') && !namesFile(line, exists)
  const read = (separator: Separator, onProblem: ReportLine, most = Number.POSITIVE_INFINITY): CsvTable =>
    separator === 'blanks' || separator === 'lines'
      ? readLines(body, { separator, exists, isComment, most, named: header?.fields.length ?? null, fixedForm })
      : readTable(body, separator, onProblem, isComment)
  const separator = said ?? header?.separator ?? chooseSeparator(body, read, exists, isComment)
  const table = read(separator, report)
  const rest = { separator, directives, total, comments: table.comments, quotes: table.quotes }
  // Spreadsheets fill rows up with separators.
  const isEmpty = ({ fields }: CsvRecord): boolean => fields.every((field) => field.trim() === '')
  const blank = table.records.filter(isEmpty)
  const records = table.records.filter((record) => !isEmpty(record))
  const emptyLines = [
    ...table.empty.filter((line) => !directives.includes(line) && line !== header?.line),
    ...blank.map(({ line }) => line),
  ]
  if (header !== null) return { ...rest, header, records, empty: emptyLines }
  if (records.length > 0 && isHeader(records[0].fields, exists))
    return { ...rest, header: records[0], records: records.slice(1), empty: emptyLines }
  return { ...rest, header: null, records, empty: emptyLines }
}

/** Excel writes `sep=;` in the first line, for itself. The line is kept as an empty one, so that lines keep their numbers. */
function readDirective(content: string): {
  readonly text: string
  readonly separator?: Separator
  readonly directives: readonly number[]
} {
  const match = /^"?sep=([,;|\t])"?[ \t]*(?=\r|\n|$)/i.exec(content)
  if (match === null) return { text: content, directives: [] }
  return { text: content.slice(match[0].length), separator: match[1] as Separator, directives: [1] }
}

/** NumPy writes the header as a comment: `# path,label`. All of its names have to be known, a path and another among them. */
function hashHeader(text: string): (CsvRecord & { readonly separator: Separator }) | null {
  const lines = text.split(lineEnd)
  const at = lines.findIndex((line) => line.trim() !== '')
  const match = /^#+\s*(\S.*)$/.exec(lines[at] ?? '')
  if (match === null) return null
  for (const separator of [...candidates, 'blanks'] as const) {
    const fields = match[1]
      .trim()
      .split(separator === 'blanks' ? /\s+/ : separator)
      .map((field) => field.trim())
    const found = fields.map((field) => roleOf(field)?.role)
    if (fields.length > 1 && found.includes('path') && !found.includes(undefined))
      return { line: at + 1, lastLine: at + 1, fields, separator }
  }
  return null
}

function blankLine(text: string, line: number): string {
  let [at, left] = [0, line - 1]
  const ends = /\r\n|\n|\r/g
  while (left > 0) {
    ends.exec(text)
    at = ends.lastIndex
    left--
  }
  const end = text.slice(at).search(lineEnd)
  return text.slice(0, at) + (end < 0 ? '' : text.slice(at + end))
}

function chooseSeparator(
  text: string,
  read: (separator: Separator, report: ReportLine, most: number) => CsvTable,
  exists: Exists,
  isComment: (line: string) => boolean,
): Separator {
  const lines = text.split(lineEnd)
  const at = lines.findIndex((line) => line.trim() !== '' && !isComment(line))
  if (at < 0) return 'lines'
  const first = outsideQuotes(lines.slice(at).join('\n'))
  const possible = candidates.filter((separator) => first.includes(separator))
  const tables = new Map<Separator, CsvTable>()
  for (const separator of [...possible, 'blanks', 'lines'] as const) {
    const table = tryRead(() => read(separator, failed, 4 * sampleSize))
    if (table !== null) tables.set(separator, table)
  }
  const headers = [...tables].filter(([, { records }]) => records.length > 0 && isHeader(records[0].fields, exists))
  const knownIn = ([, { records }]: [Separator, CsvTable]): number =>
    records[0].fields.filter((field) => roleOf(field) !== undefined).length
  // A name of two words (`File Name`) has a blank in it: blanks separate only where nothing else does.
  const named = headers.filter(([separator]) => separator !== 'blanks').sort((a, b) => knownIn(b) - knownIn(a))
  if (named.length > 0) return named[0][0]
  if (headers.length > 0) return 'blanks'
  let [best, most]: [Separator | null, number] = [null, 0]
  for (const separator of ['lines', ...possible, 'blanks'] as const) {
    const rows = tables.get(separator)?.records.slice(0, sampleSize) ?? []
    const found = rows.filter(({ fields }) => fields.slice(0, 3).some((field) => exists(field))).length
    const share = rows.length === 0 ? 0 : found / rows.length
    if (share > most + 1e-9) [best, most] = [separator, share]
  }
  if (best !== null) return best
  return possible.includes('\t') ? '\t' : (possible.find((separator) => separator !== '|') ?? 'blanks')
}

class Failed extends Error {}

const failed: ReportLine = () => {
  throw new Failed()
}

function tryRead(action: () => CsvTable): CsvTable | null {
  try {
    return action()
  } catch (error) {
    if (error instanceof Failed) return null
    throw error
  }
}

/** Whether a line begins with a path that exists, whatever separates it from what follows. */
function namesFile(line: string, exists: Exists): boolean {
  const whole = line.trim()
  if (exists(whole)) return true
  for (const separator of candidates) {
    const end = whole.indexOf(separator)
    if (end > 0 && exists(whole.slice(0, end).trim())) return true
  }
  const ends = [...whole.matchAll(/\s+/g)].slice(0, 20).map(({ index }) => index)
  return ends.some((end) => exists(whole.slice(0, end)))
}

/**
 * Paths have no line ends here, so lines are records.
 *
 * @param most how many records are read: whether a path exists is asked of the disk
 */
function readLines(
  text: string,
  {
    separator,
    exists,
    isComment,
    most,
    named,
    fixedForm,
  }: {
    readonly separator: 'blanks' | 'lines'
    readonly exists: Exists
    readonly isComment: (line: string) => boolean
    readonly most: number
    readonly named: number | null
    readonly fixedForm: boolean
  },
): CsvTable {
  const records: CsvRecord[] = []
  const comments: number[] = []
  const empty: number[] = []
  const lines = text.split(lineEnd)
  if (lines.at(-1) === '') lines.pop()
  const head = lines.find((line) => line.trim() !== '' && !isComment(line))
  const names = head === undefined ? [] : wordsOf(head.trim()).map((word) => word.text)
  // A header says how many words a line has.
  const columns = named ?? (names.length > 1 && isHeader(names, exists) ? names.length : null)
  const fieldsOf = (trimmed: string): string[] => {
    if (separator === 'lines') return [unquoted(trimmed)]
    return fixedForm ? wordsOf(trimmed).map((word) => word.text) : splitAtBlanks(trimmed, exists, columns)
  }
  for (const [i, whole] of lines.entries()) {
    if (records.length === most) break
    const line = i + 1
    const trimmed = whole.trim()
    if (trimmed === '') empty.push(line)
    else if (isComment(whole)) comments.push(line)
    else records.push({ line, lastLine: line, fields: fieldsOf(trimmed) })
  }
  return { records, comments, empty, quotes: 'doubled' }
}

function unquoted(line: string): string {
  const match = /^"((?:[^"]|"")*)"$/.exec(line)
  return match === null ? line : match[1].replaceAll('""', '"')
}

interface Word {
  readonly text: string
  readonly quoted: boolean
  /** Offset after it. */
  readonly end: number
}

/** Words between blanks. Quotes inside quotes are doubled; where that leaves a quote over, they follow a backslash, as R writes them. */
function wordsOf(line: string): Word[] {
  const doubled = wordsBy(line, /"((?:[^"]|"")*)"(?=\s|$)|\S+/g, '""')
  if (!line.includes('\\"') || !leavesQuotes(doubled)) return doubled
  const backslash = wordsBy(line, /"((?:[^"\\]|\\"|\\(?!"))*)"(?=\s|$)|\S+/g, '\\"')
  return leavesQuotes(backslash) ? doubled : backslash
}

function wordsBy(line: string, word: RegExp, quote: string): Word[] {
  return [...line.matchAll(word)].map(({ 0: whole, 1: inner, index }) => ({
    text: inner === undefined ? whole : inner.replaceAll(quote, '"'),
    quoted: inner !== undefined,
    end: index + whole.length,
  }))
}

const leavesQuotes = (words: readonly Word[]): boolean =>
  words.some(({ text, quoted }) => !quoted && text.includes('"'))

/**
 * Fields of a line of the reference's lists, where paths may hold blanks without being quoted: the longest beginning that
 * exists is the path. Where none does, the last word is the label, and what comes before it the path.
 */
function splitAtBlanks(line: string, exists: Exists, columns: number | null): string[] {
  const words = wordsOf(line)
  const rest = (from: number): string[] => words.slice(from).map(({ text }) => text)
  if (words[0].quoted) return rest(0)
  for (let count = words.length; count > 0; count--) {
    const beginning = line.slice(0, words[count - 1].end)
    if (exists(beginning)) return [beginning, ...rest(count)]
  }
  if (columns !== null || exists(words[0].text)) return rest(0)
  // Row names, as R writes them without quotes.
  if (words.length > 2 && /^\d+$/.test(words[0].text) && exists(words[1].text)) return rest(0)
  const numbers = words.length - words.findLastIndex(({ text, quoted }) => quoted || !/^-?\d+$/.test(text)) - 1
  const video = words.findIndex(({ text, quoted }) => !quoted && hasVideoExtension(text))
  // `my clip.mp4 3`, `my clip.mp4 0 30 3`, `my clip.mp4 "long jump"`, and a name that stands alone.
  const count =
    numbers > 0
      ? words.length - numbers
      : video >= 0
        ? video + 1
        : words.at(-1)!.quoted
          ? words.length - 1
          : words.length
  if (count === 0) return rest(0)
  return [line.slice(0, words[count - 1].end), ...rest(count)]
}
