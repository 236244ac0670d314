import { closeSync, openSync } from 'node:fs'
import { VideoMaeError } from '../core/errors.ts'

/**
 * Errors of the machine while a video is read: no room for the pixels, no more open files, no program to be started. They say nothing about the video,
 * which must not be left out for them.
 */

const outOfRoom =
  'Free space in /dev/shm and in the folder for temporary files (or name another one with TMPDIR); in a container, use `docker run --shm-size=1g`; or lower --workers.'
const outOfFiles = 'Raise the limit of open files (ulimit -n), or lower --workers.'

const hints: Readonly<Record<string, string>> = {
  ENOSPC: outOfRoom,
  EDQUOT: outOfRoom,
  EMFILE: outOfFiles,
  ENFILE: outOfFiles,
}

/** @param expected what could not be done, e.g. `Expected 19 MB for decoded clips in /dev/shm` */
export function machineError(expected: string, cause: unknown): VideoMaeError {
  const { code = '' } = cause as NodeJS.ErrnoException
  return new VideoMaeError(`${expected}, but the machine refused: ${machineReason(cause)}.`, {
    code: 'DECODER_RESOURCES',
    exit: 'environment',
    hint: hints[code] ?? 'Run `videomae doctor`; if memory is short, lower --workers.',
    cause,
  })
}

export function machineReason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** What every system call on a healthy file may answer. */
const scarcities: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])

/** Whether a system call that reading a video made failed for a reason that is no matter of the video. */
export function isMachineError(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code = '', syscall = '' } = error as NodeJS.ErrnoException
  // No video decides whether a program can be started.
  return syscall !== '' && (scarcities.has(code) || syscall.startsWith('spawn'))
}

/**
 * To be asked when a decoder could not open a file. Its own answer tells nothing: a damaged size in a header is "out of memory" too, and a playlist may
 * open more files than there may be. It is the machine's fault where the file cannot be opened at all.
 *
 * @throws the system error, for which `isMachineError` holds
 */
export function requireOpenable(path: string): void {
  try {
    closeSync(openSync(path, 'r'))
  } catch (error) {
    if (isMachineError(error)) throw error
  }
}
