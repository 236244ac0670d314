import { CommanderError } from 'commander'
import { exitCodes, VideoMaeError } from '../core/errors.ts'
import { createProgram } from './create-program.ts'
import { endWithReader, reportError, surviveReader } from './run.ts'
import { tellCode } from './stop-file.ts'

/** Runs the command that the arguments of this process name, and sets the exit code. */
export async function main(): Promise<void> {
  endWithReader(process.stdout)
  surviveReader(process.stderr)
  process.on('exit', tellCode)
  await runProgram(process.argv.slice(2))
}

/**
 * Runs one command and sets the exit code of this process. Errors are printed the way the arguments ask for.
 *
 * @param args what the user typed behind the program's name
 */
export async function runProgram(args: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync(args, { from: 'user' })
  } catch (error) {
    const json = args.includes('--json')
    if (error instanceof VideoMaeError) process.exitCode = reportError(error, { json })
    else if (error instanceof CommanderError) reportUsage(error, json)
    else throw error
  }
}

/** Commander has printed its message to stderr; help and version are no errors. */
function reportUsage(error: CommanderError, json: boolean): void {
  process.exitCode = error.exitCode === 0 ? exitCodes.success : exitCodes.usage
  if (error.exitCode === 0 || !json) return
  const message = error.message.replace(/^error: /, '')
  process.stdout.write(
    `${JSON.stringify({ error: { code: 'USAGE', message, hint: 'Add --help for what is possible.' } })}\n`,
  )
}
