/** One page of HTML about a result, in one file. */
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { invalidArgument, unusedArgument } from '../../core/errors.ts'
import { writeFileAtomic } from '../../format/atomic.ts'
import { nullIfMissing } from '../../format/missing.ts'
import { requireOwnResults } from '../../format/own-results.ts'
import type { VideoEntry } from '../../video/types.ts'
import type { Page } from '../page/model.ts'
import { pageStart, renderPage } from '../page/render.ts'
import { certificatePage } from './certificate/certificate-page.ts'
import { certificateFacts } from './certificate/facts.ts'
import { classifierPage } from './classifier/classifier-page.ts'
import { classifierFacts } from './classifier/facts.ts'
import { type FoundResult, findResult } from './find-result.ts'
import { pretrainingPage } from './pretraining/pretraining-page.ts'

export interface ReportOptions {
  /** HTML file to write. Default: `report.html` next to the result. */
  readonly out?: string
  /** Whether frames of videos may be in the page: wrongly classified clips, reconstructions. Default true. */
  readonly pictures?: boolean
  /** Where the files of evaluated videos are, by their ids. Default: as the split of the run says. */
  readonly videos?: readonly VideoEntry[]
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
 * @param location a certificate, its folder, the folder of a run, of a demo, or of an evaluation
 * @throws VideoMaeError `REPORT_NOTHING_FOUND`, `OUTPUT_TAKEN`, `INVALID_ARGUMENT`, and what reading the result throws
 *
 * @example
 * ```ts
 * import { writeReport } from 'videomae'
 *
 * const { kind, bytes } = await writeReport('checkpoints/encoder', { out: 'encoder.html' })
 * kind // => 'pretraining'
 * bytes > 1000 // => true
 * ```
 */
export async function writeReport(location: string, options: ReportOptions = {}): Promise<WrittenReport> {
  const found = await findResult(location)
  if (found.kind === 'certificate' && options.pictures === false)
    throw unusedArgument('--no-pictures', 'for a certificate, because its page has no frames of videos', true)
  const file = path.resolve(options.out ?? defaultFile(found, location))
  await requireReportPath(file)
  const text = renderPage(await pageOf(found, options))
  await writeFileAtomic(file, text)
  const source = path.resolve(found.kind === 'certificate' ? found.file : location)
  return { kind: found.kind, source, file, bytes: Buffer.byteLength(text) }
}

function defaultFile(found: FoundResult, location: string): string {
  if (found.kind !== 'certificate') return path.join(location, 'report.html')
  const imported = /^imported-certificate-(.+)\.json$/.exec(path.basename(found.file))
  return path.join(path.dirname(found.file), imported === null ? 'report.html' : `report-${imported[1]}.html`)
}

/**
 * Refuses a path where a page would replace a file of other origin.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN`, `INVALID_ARGUMENT` for a folder
 */
export async function requireReportPath(file: string): Promise<void> {
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

async function pageOf(found: FoundResult, { pictures = true, videos = [] }: ReportOptions): Promise<Page> {
  switch (found.kind) {
    case 'certificate':
      return certificatePage(await certificateFacts(found.file))
    case 'classifier':
      return classifierPage(await classifierFacts(found.run, found.evaluation), { pictures, videos })
    case 'pretraining':
      return pretrainingPage(found.run, pictures ? found.pictures : null)
  }
}
