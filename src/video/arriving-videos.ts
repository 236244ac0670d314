/** Videos that come into folders while somebody watches. */
import { statSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { invalidArgument } from '../core/errors.ts'
import { readFolder } from './folder.ts'

/**
 * Paths of videos in folders and their subfolders: at first of all that are there, then of those that come. A file counts as whole when
 * its size and its time are the same in two looks; one that changes later comes again.
 *
 * @param everySeconds from one look to the next. Default 1
 * @param signal ends it
 * @throws VideoMaeError `INVALID_ARGUMENT` for what is no folder
 */
export function arrivingVideos(
  folders: readonly string[],
  { everySeconds = 1, signal }: { readonly everySeconds?: number; readonly signal: AbortSignal },
): AsyncGenerator<readonly string[], void, undefined> {
  for (const folder of folders)
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
      throw invalidArgument('--watch', 'folders', folder, 'Name the folders that videos come into.')
  return looks(folders, everySeconds, signal)
}

async function* looks(
  folders: readonly string[],
  everySeconds: number,
  signal: AbortSignal,
): AsyncGenerator<readonly string[], void, undefined> {
  const given = new Map<string, string>()
  let before: ReadonlyMap<string, string> = new Map()
  while (!signal.aborted) {
    const now = statesOf(folders)
    const whole = [...now.keys()].filter(
      (file) => now.get(file) === before.get(file) && now.get(file) !== given.get(file),
    )
    for (const file of whole) given.set(file, now.get(file)!)
    if (whole.length > 0) yield whole
    before = now
    await pause(1000 * everySeconds, undefined, { signal }).catch(() => {})
  }
}

/** What tells a file from the same one later, by path. */
function statesOf(folders: readonly string[]): Map<string, string> {
  const states = new Map<string, string>()
  for (const folder of folders)
    for (const video of readFolder(folder).videos) {
      const file = path.join(folder, video)
      const found = statSync(file, { throwIfNoEntry: false }) // It may have gone since.
      if (found?.isFile() === true) states.set(file, `${found.size} ${found.mtimeMs} ${found.ino}`)
    }
  return states
}
