import { unusedArgument } from '../core/errors.ts'
import { ignoresOption } from '../engine/ignored-options.ts'

/**
 * Of commands in which nothing but the engine uses threads.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function refuseIgnoredThreads(engine: string | undefined, threads: number | undefined): void {
  if (threads !== undefined && ignoresOption(engine ?? null, 'threads'))
    throw unusedArgument('--threads', `with --engine ${engine}`, threads)
}
