import { isCleaner } from '../core/clean-at-end.ts'
import { exitCodes, VideoMaeError } from '../core/errors.ts'
import { hangupIsIgnored } from './hangup.ts'

/**
 * Ends the process at a signal for which no command listens: before a command has started, and in those that have nothing to save. It says
 * so, and the exit code is that of every command that was stopped. Modules of the program are not loaded yet when this is called.
 */
export function handleEarlySignals(): void {
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const listener = (): void => {
      const others = process.listeners(name).filter((other) => other !== listener)
      if (others.some((other) => !isCleaner(other as NodeJS.SignalsListener))) return
      if (name === 'SIGHUP' && hangupIsIgnored()) return
      const { message, code, hint } = new VideoMaeError(`Stopped by ${name}.`, {
        code: 'INTERRUPTED',
        exit: 'interrupted',
        hint: 'Run the same command again.',
      })
      if (process.argv.includes('--json'))
        process.stdout.write(`${JSON.stringify({ error: { code, message, hint } })}\n`)
      else process.stderr.write(`videomae: ${message} [${code}]\n  ${hint}\n`)
      process.exit(exitCodes.interrupted)
    }
    process.on(name, listener)
  }
}
