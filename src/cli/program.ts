/** Runs the command that the arguments of this process name, and sets the exit code. */
import { CommanderError } from 'commander'
import { exitCodes, VideoMaeError } from '../core/errors.ts'
import { createProgram } from './commands.ts'
import { endWithReader, reportError, surviveReader } from './run.ts'

endWithReader(process.stdout)
surviveReader(process.stderr)
try {
  await createProgram().parseAsync()
} catch (error) {
  const json = process.argv.includes('--json')
  if (error instanceof VideoMaeError) process.exitCode = reportError(error, { json })
  else if (error instanceof CommanderError) reportUsage(error, json)
  else throw error
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
