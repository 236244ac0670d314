/** Which column of a list is what, and which are not used. */
import type { CsvRecord } from '../../format/csv.ts'
import { hasVideoExtension } from '../extensions.ts'
import { type Role, roleOf, roles, suspicion } from './columns.ts'
import type { Exists, ListTable } from './records.ts'

/** A column that is used. */
export interface UsedColumn {
  readonly role: Role
  /** Its name in the header, or `column 2`. */
  readonly name: string
  /** Index in a record. */
  readonly index: number
}

export interface ListLayout {
  readonly used: readonly UsedColumn[]
  /** Names of columns that are not used, with the reason where it is worth one. */
  readonly unused: readonly { readonly name: string; readonly why?: string }[]
  /** Fields that a record may have. */
  readonly width: number
  /** Fields at the beginning of each record that the header does not name: R's row names. */
  readonly shift: number
  /** The header has a column of folds and none of a split: words such as train and test in it are a split. */
  readonly foldMayBeSplit: boolean
  readonly warnings: readonly string[]
}

/** Called with a line and what is wrong there; does not return. */
type Report = (line: number, message: string) => never

const sampleSize = 50

/**
 * Finds the columns.
 *
 * @param report called where a column would change what is learned and cannot be understood
 * @param byRows false: as the header alone has it, whatever is in the columns; see `requireFixedForm`
 */
export function layoutOf(table: ListTable, exists: Exists, report: Report, byRows = true): ListLayout {
  const { header, records, trimmed } = table
  if (header !== null) return fromHeader(header, records, exists, report, { byRows, trimmed })
  return positional(table, exists, report)
}

const sampleOf = (records: readonly CsvRecord[]): readonly CsvRecord[] => records.slice(0, sampleSize)

/** How many of the first records have a path that exists in a column. */
function countExisting(records: readonly CsvRecord[], index: number, exists: Exists): number {
  return sampleOf(records).filter(({ fields }) => (fields[index] ?? '') !== '' && exists(fields[index])).length
}

/**
 * @param pathIndex column of the paths, where the names do not say it but the files do
 * @param trimmed the files are cut to the starts and ends
 */
function fromHeader(
  header: CsvRecord,
  records: readonly CsvRecord[],
  exists: Exists,
  report: Report,
  {
    pathIndex,
    byRows = true,
    trimmed = false,
  }: { readonly pathIndex?: number; readonly byRows?: boolean; readonly trimmed?: boolean } = {},
): ListLayout {
  const names = header.fields.map((name) => name.trim())
  // R writes row names without a name for their column.
  const shift =
    records.length > 0 && sampleOf(records).every(({ fields }) => fields.length === names.length + 1) ? 1 : 0
  const at = (column: number): number => column + shift
  const byRole = new Map<Role, { name: string; index: number; rank: number }[]>()
  const unused: { name: string; why?: string }[] = shift === 1 ? [{ name: 'row names' }] : []
  const warnings: string[] = []
  const unknown: string[] = []
  for (const [column, name] of names.entries()) {
    const found = column === pathIndex ? { role: 'path' as const, rank: -1 } : roleOf(name)
    const isEmpty = records.every(({ fields }) => (fields[at(column)] ?? '').trim() === '')
    if (found === undefined) {
      unused.push({ name: name === '' ? (isEmpty ? 'an empty column' : 'row names') : name })
      if (name !== '' && !isEmpty) unknown.push(name)
      continue
    }
    if (trimmed && (found.role === 'start' || found.role === 'end')) {
      unused.push({ name, why: 'the files are cut to it' })
      continue
    }
    byRole.set(found.role, [...(byRole.get(found.role) ?? []), { name, index: at(column), rank: found.rank }])
  }
  for (const name of unknown) checkUnknown(name, header.line, { report, warnings, taken: byRole })
  const used: UsedColumn[] = []
  const take = (role: Role, { name, index }: { name: string; index: number }): void => {
    used.push({ role, name, index })
  }
  for (const [role, columns] of byRole) {
    if (role === 'path' || role === 'id') continue
    const [first, ...others] = columns.sort((a, b) => a.rank - b.rank)
    take(role, first)
    for (const other of others) {
      if (other.rank === first.rank && !sameValues(records, first.index, other.index)) {
        report(
          header.line,
          `expected one column for the ${role}, but ${first.name} and ${other.name} are both: rename the wrong one`,
        )
      }
      unused.push({ name: other.name, why: `${first.name} is the ${role}` })
      if (['split', 'fold', 'group', 'start', 'end'].includes(role) && !sameValues(records, first.index, other.index))
        warnings.push(`the column ${other.name} is not used, because ${first.name} is the ${role}`)
    }
  }
  const path = takePath([...(byRole.get('path') ?? [])], byRole.get('id') ?? [], records, byRows ? exists : null)
  if (path === undefined) report(header.line, missingPath(names))
  take('path', path)
  for (const { name, index } of byRole.get('path') ?? [])
    if (index !== path.index) unused.push({ name, why: `${path.name} is the path` })
  // Parts of one file are named by their file, so that they are known to belong together.
  const hasParts = used.some(({ role }) => role.startsWith('start') || role.startsWith('end'))
  for (const { name, index, rank } of (byRole.get('id') ?? []).toSorted((a, b) => a.rank - b.rank)) {
    if (index === path.index) continue
    if (rank === 0 && !hasParts && !used.some(({ role }) => role === 'id')) used.push({ role: 'id', name, index })
    else unused.push({ name, ...(rank === 0 && hasParts ? { why: 'parts are named by their file' } : {}) })
  }
  const settled = settle(used, records, header.line, report, byRows)
  return {
    used: settled.used.toSorted((a, b) => roles.indexOf(a.role) - roles.indexOf(b.role)),
    unused: [...unused, ...settled.unused],
    warnings: [...warnings, ...settled.warnings],
    width: names.length + shift,
    shift,
    foldMayBeSplit: byRole.has('fold') && !byRole.has('split'),
  }
}

function missingPath(names: readonly string[]): string {
  return `expected a column with the paths of videos (path, file_name, video_path, ...) in this header, but found ${names.join(', ')} (an id is enough if ID.mp4, ID.webm, ... exists; together with a start and an end in whole seconds also ID_000010_000020.mp4, as Kinetics is stored, in the folder of the list or in folders of parts and classes there)`
}

/**
 * Refuses names that a typing error made of one that changes what is learned. Warns of others that look so, unless another column has
 * the role already.
 */
function checkUnknown(
  name: string,
  line: number,
  about: { readonly report: Report; readonly warnings: string[]; readonly taken: ReadonlyMap<Role, unknown> },
): void {
  const { report, warnings, taken } = about
  const found = suspicion(name)
  if (found === undefined) return
  if (found.kind === 'typo') {
    report(
      line,
      `expected columns whose names are known, but ${name} is similar to ${found.spelling} (${found.role}): use that name or a different one, or remove the column`,
    )
  }
  if (!taken.has(found.role))
    warnings.push(`the column ${name} is not used; if it is the ${found.role}, rename it to ${found.role}`)
}

/**
 * The column whose paths exist; among those alike, the one whose name says it most clearly.
 *
 * @param exists null: the names alone decide
 */
function takePath(
  paths: readonly { name: string; index: number; rank: number }[],
  ids: readonly { name: string; index: number; rank: number }[],
  records: readonly CsvRecord[],
  exists: Exists | null,
): { readonly name: string; readonly index: number } | undefined {
  const ranked = [...paths.toSorted((a, b) => a.rank - b.rank), ...ids].map((column) => ({
    ...column,
    existing: exists === null ? 1 : countExisting(records, column.index, exists),
  }))
  const [best] = ranked.toSorted((a, b) => b.existing - a.existing)
  if (best === undefined || (best.existing === 0 && paths.length === 0)) return undefined
  return best
}

function sameValues(records: readonly CsvRecord[], a: number, b: number): boolean {
  return records.every(({ fields }) => (fields[a] ?? '') === (fields[b] ?? ''))
}

/**
 * Columns that mean something only next to others, or only with certain values.
 *
 * @param byRows false: as if no column were empty
 */
function settle(
  used: readonly UsedColumn[],
  records: readonly CsvRecord[],
  line: number,
  report: Report,
  byRows: boolean,
) {
  const unused: { name: string; why?: string }[] = []
  const warnings: string[] = []
  const roleIn = (role: Role): UsedColumn | undefined => used.find((column) => column.role === role)
  const gone = new Set<UsedColumn>()
  const drop = (column: UsedColumn | undefined, why: string, warn = false): void => {
    if (column === undefined) return
    gone.add(column)
    unused.push({ name: column.name, why })
    if (warn) warnings.push(`the column ${column.name} is not used: ${why}`)
  }
  const filled = (column: UsedColumn | undefined): boolean =>
    column !== undefined && (!byRows || records.some(({ fields }) => (fields[column.index] ?? '').trim() !== ''))
  for (const [border, finer] of [
    ['start', ['start (ms)', 'start (frame)']],
    ['end', ['end (ms)', 'end (frame)']],
  ] as const) {
    const given = [border, ...finer].map(roleIn).filter((column) => filled(column))
    for (const other of given.slice(1)) drop(other, `${given[0]!.name} says it already`)
  }
  const frames = (['start (frame)', 'end (frame)'] as const)
    .map(roleIn)
    .filter((column) => column !== undefined && filled(column) && !gone.has(column))
  if (frames.length > 0 && !filled(roleIn('fps'))) {
    report(
      line,
      `expected a column fps next to ${frames[0]!.name}, which counts frames: add it, or give start and end in seconds`,
    )
  }
  if (frames.length === 0) drop(roleIn('fps'), 'no part is given in frames')
  const start = (['start', 'start (ms)', 'start (frame)'] as const).some((role) => filled(roleIn(role)))
  const end = (['end', 'end (ms)', 'end (frame)'] as const).some((role) => filled(roleIn(role)))
  if (!start || end) drop(roleIn('length'), end ? 'the end is given' : 'no start is given')
  const startsByFrame = filled(roleIn('start (frame)')) && !gone.has(roleIn('start (frame)')!)
  if (!startsByFrame || end) drop(roleIn('length (frames)'), end ? 'the end is given' : 'no start is given in frames')
  const fold = roleIn('fold')
  if (!filled(fold)) drop(fold, 'it is empty, as if it were not there')
  const split = roleIn('split')
  if (split !== undefined && byRows) {
    const values = new Set(
      records.map(({ fields }) => (fields[split.index] ?? '').trim()).filter((text) => text !== ''),
    )
    if (values.size === 0) drop(split, 'it is empty, as if it were not there')
    else if ((roleOf(split.name)?.rank ?? 0) > 0 && [...values].every((value) => isNumber(value))) {
      const shown = [...values].slice(0, 3).join(', ')
      drop(split, `its values (${shown}${values.size > 3 ? ', ...' : ''}) are not train, validation or test`, true)
    }
  }
  return { used: used.filter((column) => !gone.has(column)), unused, warnings }
}

/** A number says nothing of a part: such a row has none. Each row is judged by itself. */
export function isNumber(value: string): boolean {
  return /^\d+$/.test(value.trim())
}

const inOrder: readonly Role[] = ['path', 'label', 'start', 'end', 'group']
/** What a layout without a header has. */
const plain = { shift: 0, foldMayBeSplit: false, warnings: [] } as const

function positional(table: ListTable, exists: Exists, report: Report): ListLayout {
  const { records, separator } = table
  if (records.length === 0) return { used: [], unused: [], width: 0, ...plain }
  const width = Math.max(...records.map(({ fields }) => fields.length))
  const named = headerWithoutPath(table, exists, report)
  if (named !== null) return named
  const column = (role: Role, index: number): UsedColumn => ({ role, name: `column ${index + 1}`, index })
  if (separator === 'lines' || width === 1) return { used: [column('path', 0)], unused: [], width: 1, ...plain }
  const counts = Array.from({ length: Math.min(width, 3) }, (_, i) => countExisting(records, i, exists))
  const best = counts.indexOf(Math.max(...counts))
  if (best === 1 && width === 2 && counts[0] === 0)
    return { used: [column('path', 1), column('label', 0)], unused: [], width, ...plain }
  if (best === 1 && counts[0] === 0 && isRowIndex(records)) {
    const used = inOrder.slice(0, width - 1).map((role, i) => column(role, i + 1))
    return { used, unused: [{ name: 'row names' }], width, ...plain }
  }
  if (best > 0 && counts[0] === 0)
    report(
      records[0].line,
      `expected the path in the first of ${width} columns, but the paths of existing files are in column ${best + 1}: add a header with the names of the columns`,
    )
  const used = inOrder.slice(0, width).map(column)
  return { used, unused: [], width: Math.min(width, inOrder.length), ...plain }
}

/** 0, 1, 2, ... or 1, 2, 3, ... as pandas and R number their rows. */
function isRowIndex(records: readonly CsvRecord[]): boolean {
  const first = Number(records[0].fields[0])
  return (first === 0 || first === 1) && records.every(({ fields }, i) => fields[0] === String(first + i))
}

/**
 * A first line whose path does not exist while those of all others do is a header with names that are not known, unless it
 * names a video.
 */
function headerWithoutPath(table: ListTable, exists: Exists, report: Report): ListLayout | null {
  const [first, ...others] = table.records
  if (others.length === 0 || first.fields.some((field) => hasVideoExtension(field) || exists(field))) return null
  const sample = sampleOf(others)
  const index = sample[0].fields.findIndex((_, i) =>
    sample.every(({ fields }) => (fields[i] ?? '') !== '' && exists(fields[i])),
  )
  if (index < 0) return null
  const fields = table.separator === 'blanks' ? first.fields.flatMap((field) => field.split(/\s+/)) : first.fields
  if (!fields.some((field) => roleOf(field) !== undefined) || (fields[index] ?? '') === '') {
    report(
      first.line,
      `expected a video, but there is none at ${JSON.stringify(first.fields[index] ?? first.fields[0])} while all other lines name one: if this line is a header, name the column of the paths path`,
    )
  }
  return fromHeader({ ...first, fields }, others, exists, report, { pathIndex: index })
}
