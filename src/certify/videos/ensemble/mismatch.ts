import { VideoMaeError } from '../../../core/errors.ts'

/** What would be another predictor than the one that was certified. */
export function mismatch(what: string, certified: string, found: string, hint: string): VideoMaeError {
  return new VideoMaeError(`Expected the ${what} of the certified ensemble, ${certified}, but received ${found}.`, {
    code: 'ENSEMBLE_MISMATCH',
    exit: 'data',
    hint,
  })
}
