/** Videos that come into folders while somebody watches. */
import { statSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { invalidArgument } from '../core/errors.ts'
import { readFolder } from './folder.ts'

/** Videos that are given at once: results of the first ones come soon where many are there. */
const videosAtOnce = 16

/** How often folders are looked at, and when that ends. */
export interface ArrivalOptions {
  /** Ends the looks, and with them the videos. */
  readonly signal: AbortSignal
  /** Seconds from one look to the next. Default 1. */
  readonly everySeconds?: number
  /** Told once of each file or folder that cannot be used, in one line. */
  readonly onUnusable?: (reason: string) => void
}

/**
 * Paths of videos in folders and their subfolders, 16 at most at once: at first of all that are there, then of those that come. A file
 * counts as whole when its size and its time are the same in two looks; one that changes later comes again. One that cannot be looked at
 * comes, too, so that its reader says why.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for what is no folder
 *
 * @example
 * ```ts
 * import { arrivingVideos } from 'videomae/video'
 *
 * const stop = new AbortController()
 * let found = 0
 * for await (const videos of arrivingVideos(['videos/left'], { signal: stop.signal, everySeconds: 0.1 })) {
 *   found += videos.length
 *   stop.abort()
 * }
 * found // => 6
 * ```
 */
export function arrivingVideos(
  folders: readonly string[],
  looking: ArrivalOptions,
): AsyncGenerator<readonly string[], void, undefined> {
  for (const folder of folders)
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
      throw invalidArgument('watch', 'folders', folder, 'Name the folders that videos come into.')
  return looks(folders, looking)
}

async function* looks(
  folders: readonly string[],
  { signal, everySeconds = 1, onUnusable }: ArrivalOptions,
): AsyncGenerator<readonly string[], void, undefined> {
  const given = new Map<string, string>()
  let before: ReadonlyMap<string, string> = new Map()
  let named: ReadonlySet<string> = new Set()
  while (!signal.aborted) {
    const { states: now, unusable } = look(folders)
    for (const reason of unusable) if (!named.has(reason)) onUnusable?.(reason)
    named = unusable
    const whole = [...now.keys()].filter(
      (file) => now.get(file) === before.get(file) && now.get(file) !== given.get(file),
    )
    for (let from = 0; from < whole.length; from += videosAtOnce) {
      // The files of later portions may have changed while the earlier ones were worked on: then they come at a later look.
      const same = whole.slice(from, from + videosAtOnce).filter((file) => stateOf(file) === now.get(file))
      for (const file of same) given.set(file, now.get(file)!)
      if (same.length > 0) yield same
    }
    before = now
    await pause(1000 * everySeconds, undefined, { signal }).catch(() => {})
  }
}

/** @returns what tells a file from the same one later, by path; and what cannot be used, one line each */
function look(folders: readonly string[]): { states: Map<string, string>; unusable: Set<string> } {
  const states = new Map<string, string>()
  const unusable = new Set<string>()
  for (const folder of folders) {
    const found = readFolder(folder)
    for (const { reason, code } of found.unusable) unusable.add(`in ${folder}: ${reason} [${code}]`)
    for (const video of found.videos) {
      const file = path.join(folder, video)
      const state = stateOf(file)
      if (state !== null) states.set(file, state)
    }
  }
  return { states, unusable }
}

/** @returns null for what is no file, or not there any more */
function stateOf(file: string): string | null {
  try {
    const found = statSync(file, { throwIfNoEntry: false })
    return found?.isFile() === true ? `${found.size} ${found.mtimeMs} ${found.ino}` : null
  } catch (error) {
    // A folder that shows names only.
    return (error as NodeJS.ErrnoException).code ?? 'an error'
  }
}
