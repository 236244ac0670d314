/** What a verification found, as an error. */
import { VideoMaeError } from '../../core/errors.ts'
import { describeDifference } from './differences.ts'
import type { VerificationReport } from './verify-votes.ts'

/** @throws VideoMaeError `CERTIFICATE_DIFFERS` where anything in the certificate is not what follows from its files */
export function assertFollows({
  differences,
  differencesFound,
}: Pick<VerificationReport, 'differences' | 'differencesFound'>): void {
  if (differencesFound === 0) return
  const [first] = differences
  throw new VideoMaeError(
    `Expected a certificate that follows from its files, but ${differencesFound} value(s) differ, first ${describeDifference(first)}.`,
    {
      code: 'CERTIFICATE_DIFFERS',
      exit: 'certificateDiffers',
      hint: 'Do not use this certificate: it was changed, its files belong to another certificate, or another version of the program made it.',
    },
  )
}

/**
 * Ends a verification that found a difference, or could recompute nothing, with an error.
 *
 * @throws VideoMaeError `CERTIFICATE_DIFFERS` where anything in the certificate is not what follows from its files;
 *   `CERTIFICATE_NOT_VERIFIED` where a run has no votes that it could be recomputed from
 */
export function assertVerified(report: VerificationReport): void {
  assertFollows(report)
  const { runs } = report
  const skipped = runs.filter((run) => run.skipped !== null)
  if (skipped.length === 0) return
  throw new VideoMaeError(
    `Expected votes for every run, but ${skipped.length} of ${runs.length} could not be verified, first ${skipped[0].run}: ${skipped[0].skipped}.`,
    {
      code: 'CERTIFICATE_NOT_VERIFIED',
      exit: 'nothingChecked',
      hint: 'Request a certificate with its votes: certify keeps them unless --no-per-input is given.',
    },
  )
}
