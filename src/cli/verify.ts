import {
  checkRequirements,
  parseRequirements,
  requirementError,
  requirementLines,
} from '../certify/rules/requirement.ts'
import { assertVerified } from '../certify/verify/assert-verified.ts'
import { describeDifference } from '../certify/verify/differences.ts'
import type { VerificationReport } from '../certify/verify/verify-votes.ts'
import { verifyCertificate } from '../certify/videos/verify-videos.ts'
import { exitCodes } from '../core/errors.ts'
import { printable } from '../core/printable.ts'
import { numbersOf, progressOf } from './certify-options.ts'
import type { VerifyCommandOptions } from './commands/verify.ts'
import { interruptSignal } from './interrupt.ts'
import { errorDocument, errorOf } from './run.ts'

/** `videomae verify`. */
export async function verifyCommand(file: string, options: VerifyCommandOptions): Promise<void> {
  const { json = false, quiet = false, data, test, from, cache } = options
  const requirements = parseRequirements(options.require ?? [], '--require')
  const retrain = options.retrain === undefined ? undefined : numbersOf('--retrain', options.retrain, 'partitions', 0)
  const interrupt = interruptSignal('No file was written. Run the same command again.')
  try {
    const { signal } = interrupt
    const report = await verifyCertificate(file, {
      ...{ data, test, retrain, from, cache, signal },
      onProgress: progressOf(quiet),
    })
    // What was not verified meets nothing.
    const recomputed = report.runs.filter(({ skipped }) => skipped === null)
    const required = checkRequirements(recomputed, requirements)
    const different = errorOf(() => assertVerified(report))
    const error = different ?? requirementError(required)
    if (json) {
      const shown = {
        ...{ ...report, verified: different === null },
        ...(required === null ? {} : { requirements: required }),
        ...(error === null ? {} : errorDocument(error)),
      }
      process.stdout.write(`${JSON.stringify(shown)}\n`)
      if (error !== null) process.exitCode = exitCodes[error.exit]
      return
    }
    process.stdout.write(textOf(report))
    if (required !== null) process.stdout.write(`${requirementLines(required).join('\n')}\n`)
    if (error !== null) throw error
  } finally {
    interrupt.dispose()
  }
}

/** Differences that are printed; `--json` lists more. */
const mostPrinted = 20

function textOf({ runs, compared, checked, notChecked, differences, differencesFound, claim }: VerificationReport) {
  const more = differencesFound - Math.min(mostPrinted, differences.length)
  return [
    ...runs.map(({ run, inputs, skipped }) =>
      skipped === null ? `${run}: votes of ${inputs} inputs counted again` : `${run}: NOT VERIFIED, ${skipped}`,
    ),
    `${compared} values compared, ${differencesFound} differ`,
    ...differences.slice(0, mostPrinted).map((difference) => `  differs: ${describeDifference(difference)}`),
    ...(more > 0 && differencesFound > mostPrinted ? [`  and ${more} more`] : []),
    ...checked.map((what) => `checked: ${what}`),
    ...notChecked.map((what) => `not checked: ${what}`),
    ...(differencesFound === 0 && claim !== null ? [`claim: ${claim}`] : []),
    verdictOf(runs, differencesFound),
    '',
  ]
    .map(printable)
    .join('\n')
}

/** The one line that says how it ended. */
function verdictOf(runs: VerificationReport['runs'], differencesFound: number): string {
  if (differencesFound > 0) return 'result: NOT VERIFIED, values differ'
  return runs.some(({ skipped }) => skipped !== null)
    ? 'result: NOT VERIFIED in full, some runs could not be recomputed'
    : 'result: VERIFIED, except for what is named above as not checked'
}
