import type { VideoMaeError } from '../../src/core/errors.ts'

/** The error that the work ends with. Throws where it ends without one. */
export async function failure(work: () => unknown): Promise<VideoMaeError> {
  try {
    await work()
  } catch (error) {
    return error as VideoMaeError
  }
  throw new Error('Expected an error.')
}
