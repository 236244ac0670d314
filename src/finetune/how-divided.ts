import { formatSplitRecord, recordOfSplit, type SplitRecord } from '../dataset/split-record.ts'
import { readingLines } from '../video/reading.ts'
import type { FinetuneConfiguration } from './configuration.ts'
import type { PreparedFinetuning } from './prepare.ts'
import { unusedFinetuneNote } from './unused-keys.ts'

/** Says how the data was read and divided. */
export function tellOf(
  configuration: FinetuneConfiguration,
  { dataset, split, warnings }: PreparedFinetuning,
  { onNote }: { readonly onNote?: (note: string) => void },
): SplitRecord {
  const unused = unusedFinetuneNote(configuration)
  if (unused !== null) onNote?.(unused)
  const rows = recordOfSplit(dataset, split)
  // Their warnings are among those of the run.
  const readings = dataset.sources.flatMap((reading) => readingLines({ ...reading, warnings: [] }))
  for (const line of [...readings, ...dataset.notes, formatSplitRecord(rows)]) onNote?.(line)
  for (const warning of warnings) onNote?.(`warning: ${warning}`)
  return rows
}
