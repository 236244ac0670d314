import { isCleaner } from '../core/clean-at-end.ts'
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
      const error = { code: 'INTERRUPTED', message: `Stopped by ${name}.`, hint: 'Run the same command again.' }
      if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify({ error })}\n`)
      else process.stderr.write(`videomae: ${error.message} [${error.code}]\n  ${error.hint}\n`)
      process.exit(130)
    }
    process.on(name, listener)
  }
}
