import type { SourceReading } from '../video/reading.ts'

/** What to say of a column of folds where no command uses it; null where there is none. */
export function unusedFolds(sources: readonly Pick<SourceReading, 'source' | 'columns'>[]): string | null {
  for (const { source, columns } of sources) {
    const column = columns.find(({ role }) => role === 'fold')
    if (column !== undefined)
      return `the column ${column.name} of ${source} is not used here; finetune --folds column tests each of its folds, and dataset split --folds column writes a list for each`
  }
  return null
}
