import { VideoMaeError } from '../../../core/errors.ts'

/**
 * `DEVICE_FAILED` for a call of a CUDA library that did not succeed; `DriverDevice.allocate` says `OUT_OF_MEMORY` itself.
 *
 * @param doing the operation or program that the device was at work for, where it is known
 */
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
