/** `--report` of commands that make a result, and the line that names `videomae report`. */
import path from 'node:path'
import type { ReportOptions } from '../report/results/write-report.ts'
import { invocation } from './invocation.ts'

/**
 * Before the work, not behind it: refuses the place of a page where another file is.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN`
 */
export async function requirePage(wanted: boolean | undefined, folder: string, name = 'report.html'): Promise<void> {
  if (wanted !== true) return
  const { requireReportPlace } = await import('../report/results/write-report.ts')
  await requireReportPlace(path.join(folder, name))
}

/** Writes the page where it is wanted. @returns its path, in a list that is empty where it is not */
export async function writePage(
  wanted: boolean | undefined,
  place: string,
  options: ReportOptions = {},
): Promise<string[]> {
  if (wanted !== true) return []
  const { writeReport } = await import('../report/results/write-report.ts')
  return [(await writeReport(place, options)).file]
}

/** How to get a page about a run. */
export function pageHint(run: string): string {
  const shown = path.relative('.', run) || '.'
  return `a page      ${invocation()} report ${/^[\w@%+=:,./\\-]+$/.test(shown) ? shown : JSON.stringify(shown)}\n`
}
