import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { cleanAtEnd } from '../../../core/clean-at-end.ts'
import { VideoMaeError } from '../../../core/errors.ts'
import { makeFolder, makeTemporaryFolder } from '../../../core/make-folder.ts'

const prefix = 'compile-'

/**
 * Milliseconds after which a folder counts as left behind by a process that was killed. A compilation that runs writes into its
 * folder more often: it gives each file 15 minutes.
 */
const oldAfter = 2 * 3_600_000

export interface WorkFolder {
  readonly folder: string
  /** Aborts at Ctrl-C and SIGTERM, with `INTERRUPTED`. */
  readonly signal: AbortSignal
  /** Doing it again is no error. Without it the folder is removed when the process ends. */
  remove(): void
}

/**
 * An empty folder for a compilation: in the cache, or among the temporary files where nothing can be written there. Folders of
 * the cache that were left behind are removed.
 */
export function openWorkFolder(cache: string): WorkFolder {
  const folder = newFolder(cache)
  const controller = new AbortController()
  const remove = (): void => {
    stop()
    removeFolder(folder)
  }
  const stop = cleanAtEnd(
    () => {
      controller.abort(interrupted('its end')) // kills the compilers
      removeFolder(folder)
    },
    (name) => controller.abort(interrupted(name)),
  )
  return { folder, signal: controller.signal, remove }
}

function newFolder(cache: string): string {
  let folder: string
  try {
    makeFolder(cache)
    folder = mkdtempSync(path.join(cache, prefix))
  } catch {
    return makeTemporaryFolder('native')
  }
  removeOld(cache, folder)
  return folder
}

/** @param made a folder of now: its time is that of the file system, which may be another machine's */
function removeOld(cache: string, made: string): void {
  try {
    const now = statSync(made).mtimeMs
    for (const name of readdirSync(cache).filter((one) => one.startsWith(prefix))) {
      const folder = path.join(cache, name)
      const found = statSync(folder, { throwIfNoEntry: false })
      if (found !== undefined && now - found.mtimeMs > oldAfter) removeFolder(folder)
    }
  } catch {
    // A cache that may be written and not be listed.
  }
}

/** Tries again where a compiler that is being ended has still written a file; gives up where it may not. */
function removeFolder(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 })
  } catch {
    // Another user's, or on a file system that became read-only.
  }
}

function interrupted(by: string): VideoMaeError {
  return new VideoMaeError(`Stopped by ${by} while the kernels of the native engine were compiled.`, {
    code: 'INTERRUPTED',
    exit: 'interrupted',
    hint: 'Run the same command again.',
  })
}
