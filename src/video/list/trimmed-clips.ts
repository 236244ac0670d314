/**
 * Annotations of Kinetics, which name no files: `label,youtube_id,time_start,time_end,split`. Its clips are stored as
 * `ID_000010_000020.mp4` (start and end in seconds, six digits), all in one folder or in folders of parts and classes.
 */
import type { CsvRecord } from '../../format/csv.ts'
import { commonExtensions } from '../extensions.ts'
import { roleOf } from './columns.ts'
import type { Exists, ListTable } from './records.ts'

const sampleSize = 50

/**
 * A list with a column `path` before its own, where it has ids, starts and ends, no paths, and clips of such names exist; else
 * the list as it is. The times are those that the files are cut to, so they count no more (`ListTable.trimmed`).
 */
export function withTrimmedClips(table: ListTable, exists: Exists): ListTable {
  const { header, records } = table
  if (header === null) return table
  const roles = header.fields.map((name) => roleOf(name)?.role)
  const [id, start, end] = (['id', 'start', 'end'] as const).map((role) => roles.indexOf(role))
  if (roles.includes('path') || id < 0 || start < 0 || end < 0) return table
  const [label, split] = (['label', 'split'] as const).map((role) => roles.indexOf(role))
  const at = ({ fields }: CsvRecord, index: number): string => (index < 0 ? '' : (fields[index] ?? '').trim())
  const folders = (record: CsvRecord): string[] => {
    const parts = ['', at(record, split)].filter((part, i) => i === 0 || part !== '')
    const classes = ['', at(record, label), at(record, label).replaceAll(' ', '_')]
    return [...new Set(parts.flatMap((part) => classes.map((name) => [part, name].filter(Boolean).join('/'))))]
  }
  const clipOf = (record: CsvRecord): string | undefined => {
    const times = [at(record, start), at(record, end)].map(sixDigits)
    if (times.includes(null) || at(record, id) === '') return undefined
    const name = `${at(record, id)}_${times.join('_')}`
    for (const folder of folders(record)) {
      const inside = folder === '' ? name : `${folder}/${name}`
      const found = commonExtensions.find((extension) => exists(inside + extension))
      if (found !== undefined) return inside + found
    }
    return `${name}.mp4`
  }
  const sample = records.slice(0, sampleSize)
  // R's row names have no column in the header.
  if (records.some(({ fields }) => fields.length > header.fields.length)) return table
  // Whole videos that are called by their ids alone are cut by the times.
  if (sample.some((record) => exists(at(record, id)))) return table
  if (!sample.some((record) => exists(clipOf(record) ?? ''))) return table
  return {
    ...table,
    trimmed: true,
    header: { ...header, fields: ['path', ...header.fields] },
    records: records.map((record) => ({ ...record, fields: [clipOf(record) ?? '', ...record.fields] })),
  }
}

function sixDigits(seconds: string): string | null {
  return /^\d{1,6}(?:\.0*)?$/.test(seconds) ? String(Number(seconds)).padStart(6, '0') : null
}
