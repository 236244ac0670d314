/** How a source was read: what became of each file, line and column, in one line for people and as data for programs. */
import type { TextEncoding } from '../format/text-encoding.ts'
import type { UnusableItem } from './folder.ts'
import type { Role } from './list/columns.ts'
import type { LineCounts } from './list/parse.ts'
import type { VideoEntry } from './types.ts'

/** A row that names the same part of the same file as an earlier one. */
export interface RepeatedRow {
  /** Name of the row. */
  readonly id: string
  /** Line of the row that is not used, from 1. */
  readonly line: number
  /** Line of the row that is used. */
  readonly before: number
}

/** How a folder or list of videos was read. */
export interface SourceReading {
  /** As it was named. */
  readonly source: string
  /** What the source is. */
  readonly kind: 'folder' | 'list' | 'video'
  /** Videos, or parts of videos, that it gives. */
  readonly videos: number
  /** Lists: how their lines are written, in which encoding. */
  readonly format: string | null
  /** Lists: encoding of their characters; null otherwise. */
  readonly encoding: TextEncoding | null
  /** Lists: SHA-256 of the bytes that were read. */
  readonly sha256: string | null
  /** Lists: the columns that are used, and as what. */
  readonly columns: readonly { readonly role: Role; readonly name: string }[]
  /** Lists: names of columns that are not used, with the reason where there is one to give. */
  readonly unused: readonly { readonly name: string; readonly why?: string }[]
  /** Lists: what all of their lines are. */
  readonly lines: LineCounts | null
  /** Files, folders and rows that are not used. */
  readonly unusable: readonly UnusableItem[]
  /** Rows that name what an earlier row names. */
  readonly repeated: readonly RepeatedRow[]
  /** What a user should know, one sentence each. */
  readonly warnings: readonly string[]
  /** All of it in one line. */
  readonly summary: string
}

interface Described extends Omit<SourceReading, 'summary' | 'videos'> {
  /** What is said besides: files of other kinds, comments. */
  readonly remarks: readonly string[]
}

/** Makes the line that every command prints of a source. */
export function describeSourceReading(
  { remarks, ...reading }: Described,
  entries: readonly VideoEntry[],
): SourceReading {
  const { source, kind, format, encoding, columns, unused, lines, unusable, repeated } = reading
  const videos = entries.length
  const how =
    kind === 'list'
      ? `as ${format}${encoding === 'UTF-8' ? '' : ` in ${encoding}`}`
      : kind === 'folder'
        ? 'as a folder'
        : 'as a video'
  const parts = [`read ${source} ${how}, ${counted(videos, 'video')}`]
  const used =
    kind === 'list'
      ? columns.map(({ role, name }) => `${roleWord(role)}: ${name}${valuesOf(role, entries)}`)
      : folderParts(entries)
  parts.push(...used)
  if (unused.length > 0)
    parts.push(`not used: ${unused.map(({ name, why }) => (why === undefined ? name : `${name} (${why})`)).join(', ')}`)
  if (lines !== null && lines.comments > 0) parts.push(counted(lines.comments, 'comment'))
  if (lines !== null && lines.empty > 0) parts.push(counted(lines.empty, 'empty line'))
  parts.push(...remarks)
  if (repeated.length > 0) parts.push(`${counted(repeated.length, 'repeated row')} left out`)
  if (unusable.length > 0) parts.push(`${unusable.length} unusable`)
  return { ...reading, videos, summary: parts.join('; ') }
}

function folderParts(entries: readonly VideoEntry[]): string[] {
  return [
    ...(entries.some(({ label }) => label !== undefined) ? [`label: folders${valuesOf('label', entries)}`] : []),
    ...(entries.some(({ split }) => split !== undefined) ? [`split: folders${valuesOf('split', entries)}`] : []),
  ]
}

function roleWord(role: Role): string {
  return role === 'group' ? 'groups' : role === 'fold' ? 'folds' : role
}

/** What is in a column: how many classes or groups, how many videos of each part. */
function valuesOf(role: Role, entries: readonly VideoEntry[]): string {
  if (role !== 'label' && role !== 'group' && role !== 'split' && role !== 'fold') return ''
  const values = new Map<string, number>()
  let without = 0
  for (const entry of entries) {
    const value = entry[role]
    if (value === undefined) without++
    else values.set(value, (values.get(value) ?? 0) + 1)
  }
  const rest = without === 0 ? '' : `, ${counted(without, 'video')} without`
  if (role === 'label') return ` (${counted(values.size, 'class', 'classes')}${rest})`
  if (role === 'group') return ` (${values.size}${rest})`
  const shown = [...values].slice(0, 6).map(([value, count]) => `${value} ${count}`)
  return ` (${shown.join(', ')}${values.size > shown.length ? ', ...' : ''}${rest})`
}

function counted(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`
}

/** The line of a source, then what a user should know of it, ten items of each kind at most. For commands to print. */
export function readingLines({ summary, warnings, unusable, repeated }: SourceReading): string[] {
  const few = (lines: readonly string[]): string[] =>
    lines.length <= 10 ? [...lines] : [...lines.slice(0, 10), `  and ${lines.length - 10} more`]
  return [
    summary,
    ...few(unusable.map(({ reason, code }) => `  unusable: ${reason} [${code}]`)),
    ...few(repeated.map(({ id, line, before }) => `  line ${line} names ${id} again (line ${before})`)),
    ...warnings.map((warning) => `warning: ${warning}`),
  ]
}
