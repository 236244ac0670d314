import { assertDiff, diffCertificates } from '../certify/diff/diff.ts'
import { diffCsv, diffCsvStart, diffTable } from '../certify/diff/table.ts'
import { exitCodes } from '../core/errors.ts'
import { printableLines } from '../core/printable.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { requireOwnTable } from '../format/own-results.ts'
import type { DiffCommandOptions } from './commands/diff.ts'
import { errorDocument, errorOf } from './run.ts'

/** `videomae diff`. */
export async function diffCommand(before: string, after: string, options: DiffCommandOptions): Promise<void> {
  const { json = false, csv } = options
  if (csv !== undefined) await requireOwnTable(csv, diffCsvStart, 'the table of an earlier comparison')
  const diff = await diffCertificates(before, after)
  if (csv !== undefined) await writeFileAtomic(csv, diffCsv(diff))
  const error = errorOf(() => assertDiff(diff))
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...diff, ...(error === null ? {} : errorDocument(error)) })}\n`)
    if (error !== null) process.exitCode = exitCodes[error.exit]
    return
  }
  process.stdout.write(printableLines(diffTable(diff)) + (csv === undefined ? '' : `wrote  ${csv}\n`))
  if (error !== null) throw error
}
