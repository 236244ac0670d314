/** `--report` of commands that make a result, and the line that names `videomae report`. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { ReportOptions } from '../report/results/write-report.ts'
import { invocation } from './invocation.ts'
import { shownPath } from './shown-path.ts'

/**
 * Before the work, not after it: refuses the path of a page where another file is.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN`
 */
export async function requirePage(wanted: boolean | undefined, folder: string, name = 'report.html'): Promise<void> {
  if (wanted !== true) return
  const { requireReportPath } = await import('../report/results/write-report.ts')
  await requireReportPath(path.join(folder, name))
}

/**
 * Writes the page where it is wanted. Where it is not, a note says so of one that is there from before: its numbers are those of
 * another result.
 *
 * @param location file or folder of the result
 * @returns path of the page, in a list that is empty where none was written
 */
export async function writePage(
  wanted: boolean | undefined,
  location: string,
  options: ReportOptions = {},
): Promise<string[]> {
  const folder = location.endsWith('.json') ? path.dirname(location) : location
  if (wanted !== true) {
    const old = oldPage(folder)
    if (old !== null) process.stderr.write(`note: ${old} is older than this result: run videomae report to update it\n`)
    return []
  }
  const { writeReport } = await import('../report/results/write-report.ts')
  return [path.join(folder, path.basename((await writeReport(location, options)).file))]
}

function oldPage(folder: string): string | null {
  const page = path.join(folder, 'report.html')
  return existsSync(page) ? page : null
}

/** Where a live page is, for the terminal. */
export function addressLine(address: string): string {
  return `live page ${address} (on this machine only; anyone who knows the address can open it)`
}

/** How to get a page about a run. */
export function pageHint(run: string): string {
  const shown = shownPath(run)
  const word = /^[\w@%+=:,./\\-]+$/.test(shown) ? shown : JSON.stringify(shown)
  const before = oldPage(run) === null ? '' : ' (report.html there is older than the run)'
  return `a page      ${invocation()} report ${word}${before}\n`
}
