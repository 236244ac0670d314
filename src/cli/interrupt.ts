import { exitCodes, VideoMaeError } from '../core/errors.ts'
import { hangupIsIgnored } from './hangup.ts'
import { mustStop, stopFileVariable } from './stop-file.ts'

/** Ctrl-C, a request to end, and a terminal or connection that was closed. Windows sends the last one before it ends the process. */
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * A signal that aborts at the first Ctrl-C, SIGTERM or SIGHUP, so that a command can save; the second one ends the process at
 * once, which a shell reports as 130. Call `dispose` when the command is done.
 *
 * @param hint what to do to continue: an option that the command has, or to run it again
 * @param rank of this process, where it is one of several: then SIGUSR2 does the same, which schedulers can send ahead of a time
 *   limit, and rank 0 looks for the file of `videomae launch`.
 */
export function interruptSignal(
  hint: string,
  rank: number | null = null,
): {
  readonly signal: AbortSignal
  /** The same as a first Ctrl-C. Doing it again is no second one. */
  stop(): void
  dispose(): void
} {
  const controller = new AbortController()
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) quit()
    process.stderr.write(`\n${name}: stopping; a second one quits at once.\n`)
    controller.abort(
      new VideoMaeError(`Stopped by ${name}.`, {
        code: 'INTERRUPTED',
        exit: 'interrupted',
        hint,
      }),
    )
  }
  const ignoreHangup = (): void => undefined
  const detached = hangupIsIgnored()
  for (const name of signals) process.on(name, detached && name === 'SIGHUP' ? ignoreHangup : onSignal)
  if (rank !== null) process.on('SIGUSR2', onSignal)
  const watch = rank === 0 ? whenToStop(process.env[stopFileVariable], () => onSignal('SIGINT')) : undefined
  return {
    signal: controller.signal,
    stop() {
      if (!controller.signal.aborted) onSignal(signals[0])
    },
    dispose() {
      for (const name of signals) process.off(name, onSignal)
      process.off('SIGHUP', ignoreHangup)
      process.off('SIGUSR2', onSignal)
      clearInterval(watch)
    },
  }
}

/** Calls back once when `launch` asks for it or is gone. A timer that does not keep the process alive; undefined without a file to wait for. */
function whenToStop(file: string | undefined, then: () => void): NodeJS.Timeout | undefined {
  if (file === undefined) return undefined
  const timer = setInterval(() => {
    if (!mustStop(file)) return
    clearInterval(timer)
    then()
  }, 200)
  return timer.unref()
}

/** Ends the process at once. `process.exit` would wait for threads that are in native code: for the end of a training step. */
function quit(): void {
  if (process.platform !== 'win32') {
    const [interrupt] = signals
    process.emit('exit', exitCodes.interrupted) // removes temporary folders
    process.removeAllListeners(interrupt)
    process.kill(process.pid, interrupt)
  }
  // Elsewhere, and for the first process of a container, which signals without a listener do not reach.
  process.exit(exitCodes.interrupted)
}
