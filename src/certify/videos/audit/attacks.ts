/** What an attacker may do to the rows and files of a data set. */
import path from 'node:path'
import type { RandomStream } from '../../../core/random.ts'
import type { AttackFiles, DataForm, DataRow } from './attacked-data.ts'

/**
 * Inserted: a video, one with a class that nobody knew, a second name for a video, what cannot be used, a name with what separates
 * fields and rows, and a file without a row whose name is the beginning of another row.
 */
const insertions = [
  'insert',
  'insert an input',
  'insert a new class',
  'insert a second name',
  'insert an unreadable file',
  'insert a playlist',
  'insert without a label',
  'insert an odd split',
  'insert an odd name',
  'insert a file named as a row',
] as const
const changes = ['delete', 'delete the file', 'edit', 'other split', 'other group'] as const
const relabelings = ['relabel', 'relabel to a new class', 'relabel all of a class'] as const

/** Attacks on a list of videos: rows that are inserted, changed or relabeled. */
export const attackKinds = [...insertions, ...changes, ...relabelings] as const
/** Name of one of `attackKinds`. */
export type AttackKind = (typeof attackKinds)[number]

/** Where an attack may strike, and with what. */
export interface Target {
  readonly form: DataForm
  /** Only labels change. */
  readonly labelsOnly: boolean
  readonly labels: readonly string[]
  /** Files of videos to predict: copies of them with wrong labels are the strongest poison. */
  readonly inputs: readonly string[]
  /** Which rows are within reach: all, those of some sources, or of a stretch of time. */
  readonly reach: (row: DataRow) => boolean
  /** Group and time of an inserted row, where reach depends on them. */
  readonly stamp: (stream: RandomStream) => Partial<Pick<DataRow, 'group' | 'time'>>
}

/** Names that sort before, between and behind others, that look like numbers, or like what stands for no class. */
const inventions = [
  'a,b',
  'a"b',
  '-a',
  '\ufeffa',
  '!',
  '0',
  '00',
  'aaa',
  'b c',
  'zzz',
  '~',
  'ä',
  '(any other class)',
  'null',
  '-1',
]
/** Beginnings of names with what separates fields and rows, quotes, and what lists begin with. */
const oddNames = ['a b', 'a"b', "a'b", '"a', 'a\\"b', 'a,b', 'a;b', 'a|b', 'a\tb', 'a\nb', ' a', '\ufeffa', '-a', '#a']
const oddSplits = ['validation', 'tarin', 'test', 'train', '', '?']

/** One act: where it strikes, and what is drawn for it. */
interface Act {
  readonly rows: readonly DataRow[]
  readonly target: Target
  readonly files: AttackFiles
  readonly stream: RandomStream
  /** Index of a row within reach; -1 where none is. */
  readonly victim: number
  /** Class of what is inserted or relabeled. */
  readonly label: string
  /** Of the act: names of what is inserted. */
  readonly number: number
}

/**
 * The rows after one act of a kind; null where it cannot be done here.
 *
 * @param number of the act: names of what is inserted
 */
export async function attacked(
  rows: readonly DataRow[],
  kind: AttackKind,
  target: Target,
  files: AttackFiles,
  stream: RandomStream,
  number: number,
): Promise<DataRow[] | null> {
  const within = rows.flatMap((row, i) => (target.reach(row) ? [i] : []))
  const victim = within.length === 0 ? -1 : pick(stream, within)
  const act = { rows, target, files, stream, victim, label: pick(stream, target.labels), number }
  if (isInsertion(kind)) return withInsertion(kind, act)
  if (victim < 0) return null
  return isRelabeling(kind) ? withRelabeling(kind, act, within) : withChange(kind, act)
}

const isInsertion = (kind: AttackKind): kind is (typeof insertions)[number] =>
  insertions.some((insertion) => insertion === kind)
const isRelabeling = (kind: AttackKind): kind is (typeof relabelings)[number] =>
  relabelings.some((relabeling) => relabeling === kind)

const pick = <T>(stream: RandomStream, items: readonly T[]): T => items[stream.integer(items.length)]

async function withInsertion(kind: (typeof insertions)[number], act: Act): Promise<DataRow[] | null> {
  const { rows, target, files, stream, victim } = act
  const { form, inputs } = target
  const some = pick(stream, rows).path
  const disguise = () => files.disguised(some, stream.integer(16))
  switch (kind) {
    case 'insert':
      return inserted(act, await disguise(), {})
    case 'insert an input':
      if (inputs.length === 0) return null
      return inserted(act, await files.disguised(pick(stream, inputs), stream.integer(16)), {})
    case 'insert a new class':
      return inserted(act, await disguise(), { label: pick(stream, inventions) })
    case 'insert a second name':
      return inserted(act, await files.copied(some), {})
    case 'insert an unreadable file':
      return inserted(act, await files.unreadable(stream.integer(8)), {})
    case 'insert a playlist':
      return inserted(act, await files.playlist(some), {})
    case 'insert without a label':
      return form.kind === 'folder' ? null : inserted(act, await disguise(), { label: undefined })
    case 'insert an odd name': {
      const [beside, unquoted] = [stream.integer(2) === 0, stream.integer(2) === 0]
      return inserted(act, await disguise(), { beside, unquoted }, pick(stream, oddNames))
    }
    case 'insert a file named as a row': {
      // A reader that takes the longest path that exists would read the row of the victim otherwise.
      const row = victim < 0 ? undefined : rows[victim]
      if (form.kind === 'folder' || row === undefined) return null
      const taken = `${row.id}${form.separator}${row.label ?? ''}`
      if (rows.some(({ id }) => id === taken)) return null
      return [...rows, { ...row, ...target.stamp(stream), id: taken, path: await disguise(), unlisted: true }]
    }
    case 'insert an odd split':
      return form.columns.includes('split') ? inserted(act, await disguise(), { split: pick(stream, oddSplits) }) : null
  }
}

/** The rows and a new one. @param start of its name */
function inserted(
  { rows, target, stream, label, number }: Act,
  file: string,
  more: Partial<DataRow>,
  start = '',
): DataRow[] {
  const { form } = target
  const row: DataRow = {
    id: '',
    path: file,
    label,
    ...splitOf(form, rows, 'train'),
    ...target.stamp(stream),
    ...more,
  }
  const id = `${start}inserted-${number}.mp4`
  return [...rows, { ...row, id: form.kind === 'list' ? id : nameInFolder(rows, { ...row, id: start }, number) }]
}

async function withChange(kind: (typeof changes)[number], act: Act): Promise<DataRow[] | null> {
  const { rows, target, files, stream, victim } = act
  const { form } = target
  switch (kind) {
    case 'delete':
      return rows.filter((_, i) => i !== victim)
    case 'delete the file':
      return form.kind === 'folder' ? null : replaced(act, { path: files.missing })
    case 'edit':
      return replaced(act, { path: await files.disguised(rows[victim].path, stream.integer(16)) })
    case 'other split':
      return form.columns.includes('split') ? replaced(act, { split: pick(stream, oddSplits) }) : null
    case 'other group':
      return form.columns.includes('group') ? replaced(act, { group: pick(stream, rows).group }) : null
  }
}

function withRelabeling(kind: (typeof relabelings)[number], act: Act, within: readonly number[]): DataRow[] {
  const { rows, target, stream, victim, label, number } = act
  switch (kind) {
    case 'relabel':
      return replaced(act, { label })
    case 'relabel to a new class':
      return replaced(act, { label: pick(stream, inventions) })
    case 'relabel all of a class': {
      // The last videos of a class may be few: then the class itself is gone.
      const mine = within.filter((i) => rows[i].label === rows[victim].label)
      return rows.map((other, i) =>
        mine.includes(i) ? renamed(target.form, rows, { ...other, label }, other, number * 1000 + i) : other,
      )
    }
  }
}

/** The rows with another victim. */
function replaced({ rows, target, victim, number }: Act, more: Partial<DataRow>): DataRow[] {
  return rows.map((row, i) => (i === victim ? renamed(target.form, rows, { ...row, ...more }, row, number) : row))
}

export function kindsFor({ labelsOnly }: Pick<Target, 'labelsOnly'>): readonly AttackKind[] {
  return labelsOnly ? relabelings : attackKinds
}

function splitOf(form: DataForm, rows: readonly DataRow[], split: string): Partial<DataRow> {
  return form.columns.includes('split') && rows.some((row) => row.split !== undefined) ? { split } : {}
}

/** In a folder the class is the innermost folder, so what is labeled otherwise is elsewhere. */
function renamed(form: DataForm, rows: readonly DataRow[], row: DataRow, before: DataRow, number: number): DataRow {
  if (form.kind === 'list' || row.label === before.label) return row
  return { ...row, id: nameInFolder(rows, { ...row, id: before.id }, number) }
}

/** @param id of the file so far; for a new one the beginning of its name, without a folder */
function nameInFolder(rows: readonly DataRow[], { id, label = '?' }: DataRow, number: number): string {
  const isNew = !id.includes('/')
  const outer = path.posix.dirname(path.posix.dirname(isNew ? rows[0].id : id))
  const name = isNew ? `${id}${number}-new.mp4` : `${number}-${path.posix.basename(id)}`
  return path.posix.join(outer, label, name)
}
