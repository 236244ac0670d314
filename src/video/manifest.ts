import { VideoMaeError } from '../core/errors.ts'
import { lineEnd, outsideQuotes, type ReportLine, readRecords } from '../format/csv.ts'

export interface ManifestLine {
  /** Line in the file, from 1. */
  readonly line: number
  readonly path: string
  readonly label?: string
  readonly start?: number
  readonly end?: number
  readonly group?: string
  readonly split?: string
  readonly time?: string
}

type Column = 'path' | 'label' | 'start' | 'end' | 'group' | 'split' | 'time'

const positional: readonly Column[] = ['path', 'label', 'start', 'end', 'group']

const columnNames: Readonly<Record<string, Column>> = {
  path: 'path',
  file: 'path',
  filename: 'path',
  video: 'path',
  video_path: 'path',
  label: 'label',
  class: 'label',
  category: 'label',
  start: 'start',
  start_seconds: 'start',
  time_start: 'start',
  end: 'end',
  end_seconds: 'end',
  time_end: 'end',
  group: 'group',
  subject: 'group',
  source_video: 'group',
  split: 'split',
  subset: 'split',
  official_split: 'split',
  time: 'time',
  date: 'time',
}

/**
 * Reads a list of videos. Three forms, told apart by the first record that is neither empty nor a comment (`#`): tabs make
 * it a TSV, commas a CSV (RFC 4180: quoted fields are taken as they stand, also over several lines; with a header naming `path` its columns may come in
 * any order and others are ignored, without one they are path, label, start, end, group); otherwise every line is a path, optionally followed by a label
 * (`path label`) or by `0 -1`, as the reference implementation's lists have it. A path with spaces may be quoted; unquoted it is taken whole where that file exists.
 *
 * @param file named in errors
 * @param exists whether a path of the list leads to something
 * @throws VideoMaeError `MANIFEST_INVALID`, with file and line
 */
export function parseManifest(text: string, file: string, exists: (path: string) => boolean): ManifestLine[] {
  const content = text.replace(/^\uFEFF/, '')
  const report: ReportLine = (line, message) => {
    throw new VideoMaeError(`${file}:${line}: ${message}`, {
      code: 'MANIFEST_INVALID',
      exit: 'data',
      hint: 'A line is: path, optional label, optional start and end in seconds, optional group. Quote paths that hold the separator.',
    })
  }
  const separator = separatorOf(content, exists)
  const rows = separator === undefined ? referenceLines(content, exists) : readRecords(content, separator, report)
  const header = separator === undefined ? undefined : readHeader(rows[0].fields)
  if (header !== undefined) {
    if (!header.includes('path')) report(rows[0].line, 'expected a column named `path`')
    rows.shift()
  }
  return rows.map(({ line, fields }) => readRow(fields, header ?? positional, (message) => report(line, message), line))
}

/** What separates the fields of the first record; undefined for the reference's lists. */
function separatorOf(content: string, exists: (path: string) => boolean): '\t' | ',' | undefined {
  const lines = content.split(lineEnd)
  const at = lines.findIndex(isRecord)
  if (at < 0) return undefined
  const outside = outsideQuotes(lines.slice(at).join('\n'))
  if (outside.includes('\t')) return '\t'
  return outside.includes(',') && !exists(lines[at].trim()) ? ',' : undefined
}

function isRecord(line: string): boolean {
  return line.trim() !== '' && !line.startsWith('#')
}

/** Paths have no line ends there, so lines are records. */
function referenceLines(content: string, exists: (path: string) => boolean): { line: number; fields: string[] }[] {
  return content
    .split(lineEnd)
    .flatMap((line, i) => (isRecord(line) ? [{ line: i + 1, fields: splitReferenceLine(line.trim(), exists) }] : []))
}

/** Columns of a header line; undefined when the line is data. */
function readHeader(fields: readonly string[]): (Column | undefined)[] | undefined {
  const columns = fields.map((field) => columnNames[field.trim().toLowerCase()])
  return columns.includes('path') ? columns : undefined
}

function readRow(
  fields: readonly string[],
  columns: readonly (Column | undefined)[],
  report: (message: string) => never,
  line: number,
): ManifestLine {
  if (fields.length > columns.length) report(`expected at most ${columns.length} fields but found ${fields.length}`)
  const value = (column: Column): string | undefined => {
    const at = columns.indexOf(column)
    const field = at < 0 ? undefined : fields[at]
    return field === '' ? undefined : field
  }
  const seconds = (column: 'start' | 'end'): number | undefined => {
    const field = value(column)
    if (field === undefined || field.trim() === '') return undefined
    const number = Number(field)
    if (!Number.isFinite(number) || number < 0)
      report(`expected ${column} in seconds (0 or more) but found ${JSON.stringify(field)}`)
    return number
  }
  const name = value('path') ?? report('expected a path but found none')
  const start = seconds('start')
  const end = seconds('end')
  if (end !== undefined && end <= (start ?? 0)) report(`expected end after start but found ${start ?? 0} to ${end}`)
  const label = value('label')
  const group = value('group')
  const split = value('split')
  const time = value('time')
  return {
    line,
    path: name,
    ...(label === undefined ? {} : { label }),
    ...(start === undefined ? {} : { start }),
    ...(end === undefined ? {} : { end }),
    ...(group === undefined ? {} : { group }),
    ...(split === undefined ? {} : { split }),
    ...(time === undefined ? {} : { time }),
  }
}

/** [path] or [path, label] of a line of the reference's space-separated lists. */
function splitReferenceLine(line: string, exists: (path: string) => boolean): string[] {
  const quoted = /^"((?:[^"]|"")*)"\s*(.*)$/.exec(line)
  if (quoted !== null) {
    const path = quoted[1].replaceAll('""', '"')
    return quoted[2] === '' || /^0\s+-1$/.test(quoted[2]) ? [path] : [path, quoted[2]]
  }
  if (exists(line)) return [line]
  const whole = /^(.*\S)\s+0\s+-1$/.exec(line)
  if (whole !== null) return [whole[1]]
  const labelled = /^(.*\S)\s+(\S+)$/.exec(line)
  // Not an existing path: the last word is a label where what stands before it exists, or where it is a number as the reference writes.
  if (labelled !== null && (exists(labelled[1]) || /^\d+$/.test(labelled[2]))) return [labelled[1], labelled[2]]
  return [line]
}
