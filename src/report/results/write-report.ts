/** One page of HTML about a result, in one file. */
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { invalidArgument } from '../../core/errors.ts'
import { writeFileAtomic } from '../../format/atomic.ts'
import { nullIfMissing } from '../../format/missing.ts'
import { requireOwnResults } from '../../format/own-results.ts'
import type { Page } from '../page/model.ts'
import { pageStart, renderPage } from '../page/render.ts'
import { certificatePage } from './certificate/certificate-page.ts'
import { certificateFacts } from './certificate/facts.ts'
import { type FoundResult, findResult } from './find-result.ts'

export interface ReportOptions {
  /** HTML file to write. Default: `report.html` beside the result. */
  readonly out?: string
}

export interface WrittenReport {
  /** What the page is about. */
  readonly kind: FoundResult['kind']
  /** The file or folder that it was made from. */
  readonly source: string
  /** The page. */
  readonly file: string
  readonly bytes: number
}

/**
 * Writes a page about a certificate, a fine-tuned classifier or a pretraining run: one file of HTML, with everything in it.
 *
 * @param place a certificate, its folder, or the folder of a run
 * @throws VideoMaeError `REPORT_NOTHING_FOUND`, `OUTPUT_TAKEN`, `INVALID_ARGUMENT`, and what reading the result throws
 */
export async function writeReport(place: string, { out }: ReportOptions = {}): Promise<WrittenReport> {
  const found = await findResult(place)
  const file = path.resolve(out ?? defaultFile(found))
  await requireReportPlace(file)
  const page = await pageOf(found)
  const text = renderPage(page)
  await writeFileAtomic(file, text)
  return { kind: found.kind, source: path.resolve(found.file), file, bytes: Buffer.byteLength(text) }
}

function defaultFile(found: FoundResult): string {
  const imported = /^imported-certificate-(.+)\.json$/.exec(path.basename(found.file))
  return path.join(path.dirname(found.file), imported === null ? 'report.html' : `report-${imported[1]}.html`)
}

/**
 * Refuses a place where a page would replace a file of other origin.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN`, `INVALID_ARGUMENT` for a folder
 */
export async function requireReportPlace(file: string): Promise<void> {
  const there = await stat(file).catch(nullIfMissing)
  if (there?.isDirectory()) throw invalidArgument('--out', 'a file of HTML, not a folder', file)
  const name = path.basename(file)
  await requireOwnResults(path.dirname(file), {
    what: 'a page that `videomae report` wrote',
    isWritten: (each) => each === name,
    main: name,
    begins: pageStart,
  })
}

async function pageOf(found: FoundResult): Promise<Page> {
  return certificatePage(await certificateFacts(found.file))
}
