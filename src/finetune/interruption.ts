import { VideoMaeError } from '../core/errors.ts'

/** What a user is told when work was stopped: what is kept, and how to continue. */
export interface Interruption {
  readonly message: string
  readonly hint: string
}

/** Runs work. What it throws because its signal was aborted becomes `INTERRUPTED`. */
export async function interruptible<T>(
  signal: AbortSignal | undefined,
  { message, hint }: Interruption,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (signal?.aborted !== true) throw cause
    throw new VideoMaeError(message, { code: 'INTERRUPTED', exit: 'interrupted', hint, cause })
  }
}
