/** Runs the command that the arguments of this process name, and sets the exit code. */
import { CommanderError } from 'commander'
import { exitCodes } from '../core/errors.ts'
import { createProgram } from './commands.ts'
import { endWithReader, surviveReader } from './run.ts'

endWithReader(process.stdout)
surviveReader(process.stderr)
try {
  await createProgram().parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  // Commander has printed its message to stderr; help and version are no errors.
  process.exitCode = error.exitCode === 0 ? exitCodes.success : exitCodes.usage
  if (error.exitCode !== 0 && process.argv.includes('--json')) {
    const message = error.message.replace(/^error: /, '')
    process.stdout.write(
      `${JSON.stringify({ error: { code: 'USAGE', message, hint: 'Add --help for what is possible.' } })}\n`,
    )
  }
}
