import { firstRepeated } from './first-repeated.ts'
/**
 * Exit codes of the command line. Documented in docs/cli.md; never reuse a number.
 *
 * @example
 * ```ts
 * import { exitCodes } from 'videomae'
 *
 * exitCodes.usage // => 2
 * exitCodes.data // => 3
 * ```
 */
export const exitCodes = {
  success: 0,
  /** A defect of the program itself. */
  internal: 1,
  /** Bad arguments, options or configuration. */
  usage: 2,
  /** Input files that cannot be used (videos, manifests, checkpoints, label files). */
  data: 3,
  /** A missing or failing part of the machine (engine, decoder, memory, disk). */
  environment: 4,
  /** Training stopped because the loss or a gradient was not finite. */
  nonFinite: 5,
  /** A check the user asked for did not hold (parity, certificate vectors, export check, audit). */
  checkFailed: 6,
  /** A check that found nothing to check: neither passed nor failed. */
  nothingChecked: 7,
  /** A prediction was withheld: it is certified for less poison than was asked for. */
  abstained: 8,
  /** A certificate says something else than follows from the files that it comes with. */
  certificateDiffers: 9,
  /** Two certificates contradict each other: something changed that their records do not show. */
  changeNotExplained: 10,
  /** Stopped by Ctrl-C, SIGTERM or SIGHUP after saving. */
  interrupted: 130,
} as const

/** Why a command ends: the names of `exitCodes`. */
export type ExitKind = keyof typeof exitCodes

export interface VideoMaeErrorOptions {
  /** Stable code, e.g. `VIDEO_UNREADABLE`; users and programs match on it. */
  readonly code: string
  /** Which documented exit code the command line ends with. Default `internal`. */
  readonly exit?: ExitKind
  /** What the user can do next, one sentence. */
  readonly hint?: string
  readonly cause?: unknown
}

/**
 * The one error class of the library. `message` says what was expected and what came; `hint` says what to do next.
 *
 * @example
 * ```ts
 * import { exitCodes, openEncoder, VideoMaeError } from 'videomae'
 *
 * const error = await openEncoder('checkpoints/none').catch((reason: unknown) => reason)
 * if (!(error instanceof VideoMaeError)) throw error
 * error.code // => 'CHECKPOINT_NOT_FOUND'
 * exitCodes[error.exit] // => 3
 * ```
 */
export class VideoMaeError extends Error {
  override readonly name = 'VideoMaeError'
  readonly code: string
  readonly exit: ExitKind
  readonly hint: string | undefined

  constructor(message: string, options: VideoMaeErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = options.code
    this.exit = options.exit ?? 'internal'
    this.hint = options.hint
  }
}

/**
 * An argument that has no effect together with the others: somebody relies on it.
 *
 * @param where in which case, such as `with --votes`
 */
export function unusedArgument(name: string, where: string, received: unknown, hint?: string): VideoMaeError {
  const shown = typeof received === 'string' ? JSON.stringify(received) : String(received)
  return new VideoMaeError(`Expected no ${name} ${where}, but received ${shown}.`, {
    code: 'INVALID_ARGUMENT',
    exit: 'usage',
    hint: hint ?? 'It would have no effect.',
  })
}

/** A value with its type; what is missing in a word. */
function describe(received: unknown): string {
  if (received === undefined) return 'nothing'
  if (Array.isArray(received) && received.length === 0) return 'an empty list'
  return `${typeof received === 'string' ? JSON.stringify(received) : String(received)} (${typeof received})`
}

/** An `invalid argument` error in one shape everywhere: expected, name, received. */
export function invalidArgument(name: string, expected: string, received: unknown, hint?: string): VideoMaeError {
  return new VideoMaeError(`Expected ${expected} for ${name} but received ${describe(received)}.`, {
    code: 'INVALID_ARGUMENT',
    exit: 'usage',
    hint,
  })
}

/**
 * Refuses a blank path. Joined with a name or resolved, it would be the working folder.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`
 */
export function requirePath(name: string, value: string): void {
  if (value.trim() === '') throw invalidArgument(name, 'a path that is not blank', value)
}

/**
 * Refuses a list that has a value twice. The work for it would be done and reported twice.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` naming the value
 */
export function requireDistinct(name: string, values: readonly (string | number)[]): void {
  const twice = firstRepeated(values)
  if (twice === undefined) return
  throw invalidArgument(name, 'each value once', values.join(','), `Remove the second ${twice} from the list.`)
}
