import { exitCodes, VideoMaeError } from '../core/errors.ts'
import { printableLines } from '../core/printable.ts'
import { goingOn, systemError } from '../core/system-error.ts'
import type { ValuesOf } from './options/option.ts'
import type { jsonOption } from './options/shared.ts'

/** What every command can be asked for: machine-readable output on stdout, errors included. */
export type CommonOptions = ValuesOf<typeof jsonOption>

/**
 * Runs one command and ends with its documented exit code. Errors of the library are shown as message and hint; anything
 * else is a defect of the program and keeps its stack.
 *
 * @param goOn how the command continues after the machine has refused something, a full disk for instance
 */
export async function runCommand(
  options: CommonOptions,
  action: () => Promise<void>,
  goOn: keyof typeof goingOn = 'again',
): Promise<void> {
  try {
    await action()
  } catch (error) {
    process.exitCode = reportError(error, options, goingOn[goOn])
  }
}

/** The error with which a check ends; null where it passes. A command prints its findings before it ends with the error. */
export function errorOf(check: () => void): VideoMaeError | null {
  try {
    check()
    return null
  } catch (error) {
    if (error instanceof VideoMaeError) return error
    throw error
  }
}

/** Goes on when nobody reads a stream any more: a run that has lost its terminal still saves. */
export function surviveReader(stream: NodeJS.WriteStream): void {
  stream.on('error', () => undefined)
}

/** Ends quietly when whoever reads a stream has had enough (`videomae inspect FOLDER | head`). */
export function endWithReader(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.stderr.write(`videomae: the output cannot be written: ${error.message}\n`)
    // What the command has ended with stays: a run that was stopped because its terminal was closed ends with 130.
    process.exit(process.exitCode ?? (error.code === 'EPIPE' ? exitCodes.success : exitCodes.environment))
  })
}

/** What `--json` prints of an error. */
export function errorDocument({ code, message, hint }: VideoMaeError) {
  return { error: { code, message, hint } }
}

/** Prints an error the way the user asked for and returns the exit code that belongs to it. */
export function reportError(thrown: unknown, { json = false }: CommonOptions, goOn: string = goingOn.again): number {
  const error = systemError(thrown, goOn) ?? thrown
  if (error instanceof VideoMaeError) {
    if (json) {
      process.stdout.write(`${JSON.stringify(errorDocument(error))}\n`)
    } else {
      process.stderr.write(`videomae: ${printableLines(error.message)} [${error.code}]\n`)
      if (error.hint !== undefined) process.stderr.write(`  ${printableLines(error.hint)}\n`)
    }
    return exitCodes[error.exit]
  }
  const shown = error instanceof Error ? (error.stack ?? error.message) : String(error)
  if (json) process.stdout.write(`${JSON.stringify({ error: { code: 'INTERNAL', message: shown } })}\n`)
  else process.stderr.write(`videomae: a bug in the program, please report it:\n${shown}\n`)
  return exitCodes.internal
}
