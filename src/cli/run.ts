import { exitCodes, VideoMaeError } from '../core/errors.ts'
import { systemError } from './system-error.ts'

/** What every command can be asked for. */
export interface CommonOptions {
  /** Machine-readable output on stdout, errors included. */
  readonly json?: boolean
}

/**
 * Runs one command and ends with its documented exit code. Errors of the library are shown as message and hint; anything
 * else is a defect of the program and keeps its stack.
 */
export async function runCommand(options: CommonOptions, action: () => Promise<void>): Promise<void> {
  try {
    await action()
  } catch (error) {
    process.exitCode = reportError(error, options)
  }
}

/** Ends quietly when whoever reads a stream has had enough (`videomae inspect FOLDER | head`). */
export function endWithReader(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.stderr.write(`videomae: the output cannot be written: ${error.message}\n`)
    process.exit(error.code === 'EPIPE' ? exitCodes.success : exitCodes.environment)
  })
}

/** What `--json` prints of an error. */
export function errorDocument({ code, message, hint }: VideoMaeError) {
  return { error: { code, message, hint } }
}

/** Prints an error the way the user asked for and returns the exit code that belongs to it. */
export function reportError(thrown: unknown, { json = false }: CommonOptions): number {
  const error = systemError(thrown) ?? thrown
  if (error instanceof VideoMaeError) {
    if (json) {
      process.stdout.write(`${JSON.stringify(errorDocument(error))}\n`)
    } else {
      process.stderr.write(`videomae: ${error.message} [${error.code}]\n`)
      if (error.hint !== undefined) process.stderr.write(`  ${error.hint}\n`)
    }
    return exitCodes[error.exit]
  }
  const shown = error instanceof Error ? (error.stack ?? error.message) : String(error)
  if (json) process.stdout.write(`${JSON.stringify({ error: { code: 'INTERNAL', message: shown } })}\n`)
  else process.stderr.write(`videomae: a defect of the program, please report it:\n${shown}\n`)
  return exitCodes.internal
}

/**
 * A signal that aborts at the first Ctrl-C or SIGTERM, so that a command can save; the second one ends the process at
 * once. Call `dispose` when the command is done.
 *
 * @param hint what to do to go on
 */
export function interruptSignal(hint = 'Continue with --resume.'): { readonly signal: AbortSignal; dispose(): void } {
  const controller = new AbortController()
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted)
    process.stderr.write(`\n${name}: stopping; once more quits at once.\n`)
    controller.abort(
      new VideoMaeError(`Stopped by ${name}.`, {
        code: 'INTERRUPTED',
        exit: 'interrupted',
        hint,
      }),
    )
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return {
    signal: controller.signal,
    dispose() {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
    },
  }
}
