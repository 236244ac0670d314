/** What lies at a place that a page is asked for. */
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { requirePath, VideoMaeError } from '../../core/errors.ts'
import { nullIfMissing } from '../../format/missing.ts'

export type FoundResult = { readonly kind: 'certificate'; readonly file: string }

const certificateName = /^(?:certificate|imported-certificate-[\w-]+)\.json$/

/**
 * Finds out what a page is to be about.
 *
 * @param place a certificate, its folder, or the folder of a run
 * @throws VideoMaeError `REPORT_NOTHING_FOUND` where nothing of that kind is there, or more than one certificate
 */
export async function findResult(place: string): Promise<FoundResult> {
  requirePath('RUN', place)
  const found = await stat(place).catch(nullIfMissing)
  if (found === null) throw nothingFound(place, 'there is nothing at that place')
  if (!found.isDirectory()) return { kind: 'certificate', file: place }
  const names = await readdir(place)
  const certificates = names.filter((name) => certificateName.test(name)).sort()
  if (certificates.includes('certificate.json'))
    return { kind: 'certificate', file: path.join(place, 'certificate.json') }
  if (certificates.length === 1) return { kind: 'certificate', file: path.join(place, certificates[0]) }
  if (certificates.length > 1)
    throw nothingFound(place, `it holds several certificates (${certificates.join(', ')}): name one`)
  throw nothingFound(place, 'it holds no certificate')
}

function nothingFound(place: string, why: string): VideoMaeError {
  return new VideoMaeError(
    `Expected a certificate, a fine-tuned classifier or a pretraining run at ${place}, but ${why}.`,
    {
      code: 'REPORT_NOTHING_FOUND',
      exit: 'data',
      hint: 'Name certificate.json or its folder, the folder of a run, or the folder that evaluate --out wrote.',
    },
  )
}
