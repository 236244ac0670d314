import { writeSync } from 'node:fs'
import koffi from 'koffi'
import { exitCodes, type VideoMaeError } from '../core/errors.ts'

/** Milliseconds in which a launcher passes on what a rank has written last: what it says of the end itself comes behind that. */
export const lastWords = 300

/** Ends this process with exit code 4, after an error that no caller could handle: its threads wait in native code. */
export function endProcess({ message, code, hint }: VideoMaeError): void {
  writeSync(2, `videomae: ${message} [${code}]\n  ${hint}\n`)
  setTimeout(() => endAtOnce(exitCodes.environment), lastWords)
}

/** Ends this process without the handlers of an exit: they would wait for threads that wait in native code. */
export function endAtOnce(exitCode: number): void {
  try {
    koffi.load(null).func('void _exit(int)')(exitCode)
  } finally {
    process.kill(process.pid, 'SIGKILL')
  }
}
