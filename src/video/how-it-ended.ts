/** How a program ended that its own parent did not stop. */
export type Ending = 'by itself' | 'crashed' | 'killed'

/** Signals that a program gives itself when it goes wrong: bad memory, a failed assertion, a forbidden instruction. */
const ofCrashes: ReadonlySet<string> = new Set([
  'SIGSEGV',
  'SIGBUS',
  'SIGABRT',
  'SIGFPE',
  'SIGILL',
  'SIGTRAP',
  'SIGSYS',
])

/**
 * A crash is likely to come from what was read. All other signals come from outside: from the kernel where memory is short, from what manages jobs, from a
 * person. They say nothing about a file.
 *
 * @param signal of `exit` and `close`; null where it ended with an exit code
 */
export function endingOf(signal: string | null): Ending {
  if (signal === null) return 'by itself'
  return ofCrashes.has(signal) ? 'crashed' : 'killed'
}
