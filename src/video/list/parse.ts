/** Lists of videos: from the text of a file to rows, with an account of every line and column. */
import { VideoMaeError } from '../../core/errors.ts'
import { type CsvRecord, lineEnd } from '../../format/csv.ts'
import { hasVideoExtension } from '../extensions.ts'
import { type Role, roleOf } from './columns.ts'
import { requireFixedForm } from './fixed-form.ts'
import { isJson, jsonList } from './json-list.ts'
import { isNumber, type ListLayout, layoutOf } from './layout.ts'
import { partOfWord } from './part-words.ts'
import { type Exists, type ListTable, readListTable, separatorNames } from './records.ts'
import { isMissingField, parseFrames, parseSeconds, secondsOfFrame } from './times.ts'
import { withTrimmedClips } from './trimmed-clips.ts'

/** A row of a list: a video, or a part of one. */
export interface ListRow {
  /** Line in the file, from 1. */
  readonly line: number
  readonly path: string
  readonly label?: string
  /** Seconds. */
  readonly start?: number
  readonly end?: number
  readonly group?: string
  readonly split?: string
  /** Name or number of the fold of a cross-validation. */
  readonly fold?: string
  readonly time?: string
  /** Value of the id column. */
  readonly id?: string
  /** SHA-256 of the file that this one was prepared from. */
  readonly original?: string
}

/** How many lines of a list are what; together they are all of its lines. */
export interface LineCounts {
  readonly total: number
  readonly header: number
  /** Lines of records; one record may have several. */
  readonly rows: number
  readonly comments: number
  readonly empty: number
  /** `sep=;` */
  readonly directives: number
}

export interface ParsedList {
  readonly rows: readonly ListRow[]
  /** `CSV`, `TSV`, ... */
  readonly format: string
  readonly columns: readonly { readonly role: Role; readonly name: string }[]
  readonly unused: readonly { readonly name: string; readonly why?: string }[]
  readonly lines: LineCounts
  readonly warnings: readonly string[]
}

/**
 * Reads a list of videos: separated by commas, semicolons, tabs or bars (RFC 4180), by blanks as the reference implementation
 * writes them (`path label`, `path 0 -1`, `path 0 -1 label`), or one path a line. With a header the columns may come in any order and any usual
 * spelling; without one they are path, label, start, end, group.
 *
 * @param file named in errors
 * @param exists whether a path of the list leads to a file
 * @param fixedForm refuse a list whose rows decide how it is read
 * @throws VideoMaeError `MANIFEST_INVALID`, with file and line; with `fixedForm` also `LIST_FORM_OPEN`
 */
export function parseList(text: string, file: string, exists: Exists, fixedForm = false): ParsedList {
  const report = (line: number, message: string): never => {
    throw new VideoMaeError(`${file}:${line}: ${message}`, {
      code: 'MANIFEST_INVALID',
      exit: 'data',
      hint: 'A line has a path, an optional label, an optional start and end in seconds, and an optional group; or a header names the columns. Quote fields that contain the separator.',
    })
  }
  const content = text.replace(/^\uFEFF/, '')
  if (isJson(content)) throw jsonList(content, file)
  const read = readListTable(content, exists, report, fixedForm)
  // Which files exist must not decide how rows of an attacker are read.
  const table = fixedForm ? read : withTrimmedClips(read, exists)
  const layout = layoutOf(table, exists, report)
  if (fixedForm) requireFixedForm(content, file, table, layout)
  const header = table.header ?? headerAmong(table, layout)
  const records = header === table.header ? table.records : table.records.slice(1)
  const rows = records.map((record) => readRow(record, layout, table, report))
  const span = ({ line, lastLine }: CsvRecord): number => lastLine - line + 1
  return {
    rows,
    format: separatorNames[table.separator],
    columns: layout.used.flatMap(({ role, name }) => rolesOf(role, layout, rows).map((told) => ({ role: told, name }))),
    unused: layout.unused,
    lines: {
      total: table.total,
      header: header === null ? 0 : span(header),
      rows: records.reduce((sum, record) => sum + span(record), 0),
      comments: table.comments.length,
      empty: table.empty.length,
      directives: table.directives.length,
    },
    warnings: [...layout.warnings, ...commentWarnings(content, table), ...mixedFolds(layout, rows)],
  }
}

/** A column that holds parts of a split and folds says neither for all rows. */
function mixedFolds({ foldMayBeSplit, used }: ListLayout, rows: readonly ListRow[]): string[] {
  if (!foldMayBeSplit) return []
  const [part, fold] = [rows.find(({ split }) => split !== undefined), rows.find((row) => row.fold !== undefined)]
  if (part === undefined || fold === undefined) return []
  const name = used.find(({ role }) => role === 'fold')?.name
  return [
    `the column ${name} mixes parts of a split (${part.split}, line ${part.line}) and folds (${fold.fold}, line ${fold.line}): the value of each row decides how it is read`,
  ]
}

/** A comment may be a video that was not found: its name begins with `#`. */
function commentWarnings(content: string, { comments }: ListTable): string[] {
  if (comments.length === 0) return []
  const lines = content.split(lineEnd)
  const named = comments.filter((line) => lines[line - 1].split(/[\s,;|]+/).some(hasVideoExtension))
  if (named.length === 0) return []
  const [first] = named
  return [
    `${named.length === 1 ? `line ${first} begins` : `${named.length} lines begin`} with # and name${named.length === 1 ? 's' : ''} a video, but ${named.length === 1 ? 'is' : 'are'} read as ${named.length === 1 ? 'a comment' : 'comments'}, because no such file exists: ${lines[first - 1].trim().slice(0, 80)}`,
  ]
}

/** A header that only the files told from a row: its columns have names then. */
function headerAmong({ records }: ListTable, { used }: ListLayout): CsvRecord | null {
  return records.length > 0 && used.some(({ name }) => !/^column \d+$/.test(name)) ? records[0] : null
}

function readRow(
  { line, fields: all }: CsvRecord,
  layout: ListLayout,
  { separator, header }: ListTable,
  reportLine: (line: number, message: string) => never,
): ListRow {
  const report = (message: string): never => reportLine(line, message)
  const fields = header === null && separator === 'blanks' ? withoutWhole(all, report) : all
  if (fields.length > layout.width) {
    const extra = fields.slice(layout.width)
    if (extra.some((field) => field.trim() !== ''))
      report(`expected at most ${layout.width} fields but found ${fields.length}`)
  }
  const value = (role: Role): string | undefined => {
    const column = layout.used.find((one) => one.role === role)
    const field = column === undefined ? undefined : fields[column.index]
    return field === undefined || field === '' ? undefined : field
  }
  const name = value('path') ?? report('expected a path but found none')
  if (name.includes('\0')) report('expected a path but found one with a null character')
  const { start, end } = partOf(value, report)
  if (end !== undefined && end <= (start ?? 0)) report(`expected end after start but found ${start ?? 0} to ${end}`)
  const [group, time, fold] = [value('group'), value('time'), value('fold')?.trim()]
  // Each row is judged by itself.
  const foldIsSplit = layout.foldMayBeSplit && fold !== undefined && partOfWord(fold) !== undefined
  const optional = {
    // Names that look alike are one, whatever system wrote them: accents are composed (NFC).
    label: value('label')?.normalize('NFC'),
    start,
    end,
    group: group === undefined || isMissingField(group) ? undefined : group.normalize('NFC'),
    split: foldIsSplit ? fold : splitOf(value('split')?.trim(), layout),
    fold: foldIsSplit || fold === undefined || isMissingField(fold) ? undefined : fold.normalize('NFC'),
    time: time === undefined || isMissingField(time) ? undefined : time,
    id: value('id')?.trim().normalize('NFC'),
    original: originalOf(value('original')?.trim(), report),
  }
  return {
    line,
    path: name,
    ...(Object.fromEntries(Object.entries(optional).filter(([, it]) => it !== undefined)) as Omit<
      ListRow,
      'line' | 'path'
    >),
  }
}

/** What a column is told to be: one of folds may hold words of a split, or both. */
function rolesOf(role: Role, { foldMayBeSplit }: ListLayout, rows: readonly ListRow[]): Role[] {
  if (role !== 'fold' || !foldMayBeSplit) return [role]
  return (['split', 'fold'] as const).filter((told) => rows.some((row) => row[told] !== undefined))
}

function originalOf(value: string | undefined, report: (message: string) => never): string | undefined {
  if (value === undefined || value === '') return undefined
  if (/^[0-9a-f]{64}$/.test(value)) return value
  return report(`expected the SHA-256 of an original (64 digits 0-9, a-f) but found ${JSON.stringify(value)}`)
}

/** What columns called `set` or `phase` hold may be a number, which is no part of a split. */
function splitOf(value: string | undefined, { used }: ListLayout): string | undefined {
  const name = used.find(({ role }) => role === 'split')?.name
  const mayCount = name !== undefined && (roleOf(name)?.rank ?? 0) > 0
  return value !== undefined && mayCount && isNumber(value) ? undefined : value
}

/** `path 0 -1` is the whole video, with a label or without. Other starts and lengths there are frames, of which nothing says the rate. */
function withoutWhole(fields: readonly string[], report: (message: string) => never): readonly string[] {
  const [name, start, length, ...rest] = fields
  if (length === undefined || !/^-?\d+$/.test(start) || !/^-?\d+$/.test(length)) return fields
  if (start === '0' && length === '-1' && rest.length <= 1) return [name, ...rest]
  return report(
    `expected path, label or path, 0, -1, label, but found the frames ${start} and ${length}: give parts in seconds (or in frames with their rate), as a CSV file with the columns path,label,start,end (or start_frame,end_frame,fps)`,
  )
}

/** Start and end of a part, in seconds. */
function partOf(value: (role: Role) => string | undefined, report: (message: string) => never) {
  const given = (role: Role): string | undefined => {
    const field = value(role)
    return field === undefined || isMissingField(field) ? undefined : field.trim()
  }
  const seconds = (role: Role, what: string, unit = 1): number | undefined => {
    const field = given(role)
    if (field === undefined) return undefined
    // -1 stands for the end of the video.
    if (role.startsWith('end') && /^-1(?:\.0*)?$/.test(field)) return undefined
    const number = parseSeconds(field) ?? report(`expected ${what} (0 or more) but found ${JSON.stringify(field)}`)
    return number / unit
  }
  const frame = (role: Role): number | undefined => {
    const field = given(role)
    if (field === undefined || (role.startsWith('end') && field === '-1')) return undefined
    return (
      parseFrames(field) ??
      report(`expected ${role.replace(' (frame)', '')} as a frame, counted from 0, but found ${JSON.stringify(field)}`)
    )
  }
  const rate = (): number => {
    const field = given('fps')
    const fps = field === undefined ? undefined : parseSeconds(field)
    return fps !== undefined && fps > 0
      ? fps
      : report(`expected the frames per second but found ${JSON.stringify(field ?? '')}`)
  }
  const [startFrame, endFrame, count] = [frame('start (frame)'), frame('end (frame)'), frame('length (frames)')]
  const lastFrame = endFrame ?? (count === undefined ? undefined : (startFrame ?? 0) + count)
  const border = (at: number | undefined): number | undefined =>
    at === undefined ? undefined : secondsOfFrame(at, rate())
  const start =
    seconds('start', 'start in seconds') ?? seconds('start (ms)', 'start in milliseconds', 1000) ?? border(startFrame)
  const length = seconds('length', 'a length in seconds')
  const end =
    seconds('end', 'end in seconds') ??
    seconds('end (ms)', 'end in milliseconds', 1000) ??
    border(lastFrame) ??
    (length === undefined ? undefined : Math.round(((start ?? 0) + length) * 1e9) / 1e9)
  return { start, end }
}
