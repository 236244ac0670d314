import { existsSync } from 'node:fs'
import path from 'node:path'
import { VideoMaeError } from './errors.ts'

/** What a user can do about errors of the operating system, by its name for them. {goOn} stands for a value of `goingOn`. */
const systemHints: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full: free some space, then {goOn}.',
  EDQUOT: 'The disk quota is used up: free some space, then {goOn}.',
  EACCES: 'Check the permissions of that path, or choose another one.',
  EPERM: 'Check the permissions of that path, or choose another one.',
  EROFS: 'That file system is read-only: choose another folder, e.g. with --out.',
  ENOTDIR: 'A part of that path is a file, not a folder: choose another one.',
  EEXIST: 'There is a file where a folder is needed: choose another path.',
  EISDIR: 'There is a folder where a file is needed: choose another path.',
  ENOENT: 'Its parent folder does not exist: create it, or choose another path.',
  ENAMETOOLONG: 'Choose a shorter path.',
  EMFILE: 'Raise the limit of open files (ulimit -n).',
  ENFILE: 'The machine has too many files open: end other programs, then {goOn}.',
  ENOMEM: 'The machine has no memory left: end other programs or use smaller batches, then {goOn}.',
  EAGAIN: 'The machine is short of processes or memory: end other programs, then {goOn}.',
  EIO: 'The disk reported a fault: check it, then {goOn}.',
  ENXIO: 'There is no such device.',
  ELOOP: 'The links on that path form a loop: name the file itself.',
  EXDEV: 'That path crosses file systems: choose a folder on the same one.',
  EFBIG: 'That file is larger than the file system or the limit of the shell (ulimit -f) allows.',
  EBUSY: 'Another program uses that file: close it, then {goOn}.',
  ETXTBSY: 'That file is a running program: stop it, then {goOn}.',
  ESTALE: 'The network file system has lost that file: mount it again, then {goOn}.',
  ETIMEDOUT: 'The network file system does not answer: check it, then {goOn}.',
  ENOTEMPTY: 'That folder is not empty: choose another one.',
  EPIPE: 'The program that reads the output has ended.',
  EINVAL: 'The file system does not support this: choose a path on another one.',
}

/** For everything else that an operating system can say. */
const otherHint = 'Check that path and its file system, then {goOn}.'

/** How a command continues after the machine has refused something: a command that trains keeps its checkpoints. */
export const goingOn = {
  again: 'run the same command again',
  resume: 'continue from the last checkpoint with --resume',
} as const

/** What a user can do about an error of the operating system, one sentence. */
export function systemHint(code: string, goOn: string = goingOn.again): string {
  return (systemHints[code] ?? otherHint).replace('{goOn}', goOn)
}

/**
 * An error of the operating system as the user should see it: the machine's, not the program's; null for any other.
 *
 * @param goOn how the command that failed continues
 */
export function systemError(thrown: unknown, goOn: string = goingOn.again): VideoMaeError | null {
  if (thrown instanceof VideoMaeError) return withHint(thrown, goOn)
  if (!isSystemError(thrown)) return null
  const { code, syscall, message, path: refused } = thrown
  // Where the folder is there, only the file is missing; a new folder that cannot be made has a parent missing.
  const missing =
    code === 'ENOENT' && syscall !== 'mkdir' && refused !== undefined && existsSync(path.dirname(path.resolve(refused)))
  const where = refused === undefined || message.includes(refused) ? '' : ` (${refused})`
  return new VideoMaeError(`The operating system refused: ${message}${where}.`, {
    code: 'SYSTEM_ERROR',
    exit: 'environment',
    hint: missing ? 'There is no file or folder with that name: check the path.' : systemHint(code, goOn),
    cause: thrown,
  })
}

/** What made the error did not know which command it is for: the hint follows the command. */
function withHint(error: VideoMaeError, goOn: string): VideoMaeError | null {
  const { message, code, hint, cause } = error
  if (code !== 'SYSTEM_ERROR' || !isSystemError(cause) || hint !== systemHint(cause.code)) return null
  return new VideoMaeError(message, {
    code: 'SYSTEM_ERROR',
    exit: 'environment',
    hint: systemHint(cause.code, goOn),
    cause,
  })
}

/** Calls that change a file which is open. */
const writes: ReadonlySet<string> = new Set(['write', 'writev', 'fsync', 'ftruncate', 'close'])

/**
 * Writes a file. Of a file that is open, the operating system refuses a write without naming it; the error gets its name here, because
 * who has to free space must know on which disk.
 */
export async function namingFile<T>(file: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    if (isSystemError(error) && error.path === undefined && writes.has(error.syscall))
      Object.assign(error, { path: file })
    throw error
  }
}

export interface SystemError extends NodeJS.ErrnoException {
  readonly code: string
  readonly syscall: string
}

export function isSystemError(thrown: unknown): thrown is SystemError {
  if (!(thrown instanceof Error)) return false
  const { code, syscall } = thrown as NodeJS.ErrnoException
  return code !== undefined && syscall !== undefined
}
