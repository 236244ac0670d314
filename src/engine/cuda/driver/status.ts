import { VideoMaeError } from '../../../core/errors.ts'
import type { Activity } from '../device.ts'

/** A call of a CUDA library that did not succeed. */
export interface FailedCall {
  readonly call: string
  /** Name of the status, e.g. `CUDA_ERROR_ILLEGAL_ADDRESS`. */
  readonly status: string
  readonly detail: string
  /** The device, or the host's page-locked memory, has no room for what the call needs. */
  readonly outOfMemory?: boolean
}

/** What to change when the device has no room. */
export const memoryAdvice =
  'Reduce the clips of one run (batch.perRun; gradients are then averaged over more runs), set engine.recompute to blocks, or engine.precision to bfloat16.'

/**
 * `DEVICE_FAILED`, or `OUT_OF_MEMORY` where that is the reason.
 *
 * @param doing what the device was at work for, where it is known
 */
export function deviceError({ call, status, detail, outOfMemory }: FailedCall, doing: Activity | null): VideoMaeError {
  const during = doing === null ? '' : ` during ${doing.what}`
  const debugging = 'Set VIDEOMAE_CUDA_DEBUG=1 to run one operation at a time and see which one failed.'
  return new VideoMaeError(`The CUDA call ${call} failed${during}: ${status} (${detail}).`, {
    code: outOfMemory === true ? 'OUT_OF_MEMORY' : 'DEVICE_FAILED',
    exit: 'environment',
    hint: outOfMemory === true ? memoryAdvice : doing?.exact === true ? undefined : debugging,
  })
}
