import { VideoMaeError } from '../../../core/errors.ts'

/** A call of a CUDA library that did not succeed. `CUDA_ERROR_OUT_OF_MEMORY` becomes `OUT_OF_MEMORY`. */
export function deviceError(call: string, status: string, detail: string, doing: string | null): VideoMaeError {
  const during = doing === null ? '' : ` during ${doing}`
  return new VideoMaeError(`The CUDA call ${call} failed${during}: ${status} (${detail}).`, {
    code: 'DEVICE_FAILED',
    exit: 'environment',
    hint:
      doing === null || doing.startsWith('the program')
        ? 'Set VIDEOMAE_CUDA_DEBUG=1 to run operation by operation and learn which one failed.'
        : undefined,
  })
}
