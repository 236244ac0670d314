/** The options that a certificate was made with, as far as they decide which videos are on which side. */
import { VideoMaeError } from '../../core/errors.ts'
import { invalidCertificate } from '../verify/read-files.ts'
import type { ReadCertificate } from '../verify/schema.ts'
import { splitRules } from './reading.ts'
import type { PeriodOptions } from './video-times.ts'

/** @throws VideoMaeError `CERTIFICATE_INVALID` for options that `certify` does not write */
export function optionsAgain(
  file: string,
  { data, options = {}, buckets, classNames }: ReadCertificate,
  { data: source, test, signal }: { readonly data: string; readonly test?: string; readonly signal?: AbortSignal },
) {
  const { split, seed, testShare } = options
  const rule = splitRules.find((each) => each === split)
  if (typeof seed !== 'number' || typeof testShare !== 'number' || (split !== null && rule === undefined))
    throw invalidCertificate(
      file,
      'options.seed, options.testShare and options.split',
      JSON.stringify({ seed, testShare, split }),
    )
  return {
    ...{ data: source, test, signal, seed, by: buckets.by },
    // `certify` writes its share down where it has no use, too, and there it is refused.
    ...(test === undefined && rule !== 'folders' ? { testShare } : {}),
    ...(rule === undefined ? {} : { split: rule }),
    ...(data?.classes === 'declared' ? { classes: classNames } : {}),
  }
}

/** Plans with the periods of a certificate, which does not say whether its times are numbers or dates. */
export async function withPeriods<Result>(
  { runs }: ReadCertificate,
  plan: (periods: { readonly periods?: PeriodOptions }) => Promise<Result>,
): Promise<Result> {
  const periods = runs.find((run) => run.periods !== undefined)?.periods
  if (periods === undefined) return plan({})
  const { until, length, coverage } = periods
  try {
    return await plan({ periods: { until: String(until), length: String(length), coverage } })
  } catch (error) {
    if (!(error instanceof VideoMaeError && error.code === 'TIME_INVALID')) throw error
    return plan({ periods: { until: new Date(until).toISOString(), length: `${length / 3_600_000}h`, coverage } })
  }
}
