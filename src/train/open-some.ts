/** A look at some videos before a run: whether they can be read at all. */
import { availableParallelism } from 'node:os'
import { VideoMaeError } from '../core/errors.ts'
import { loadClips } from '../video/load-clips.ts'

/** Videos that a dry run opens. */
const openedVideos = 8

/** Videos that a dry run opened. */
export interface OpenedVideos {
  /** Number of videos. */
  readonly opened: number
  /** Why some of them cannot be read. */
  readonly unreadable: readonly string[]
}

/**
 * Decodes a clip of up to eight videos, spread over the list.
 *
 * @throws VideoMaeError `NOT_ENOUGH_VIDEOS` where none of them can be read
 */
export async function openSome(loading: Parameters<typeof loadClips>[0]): Promise<OpenedVideos> {
  const { entries, workers = availableParallelism() } = loading
  const count = Math.min(openedVideos, entries.length)
  const some = Array.from({ length: count }, (_, i) => entries[Math.floor((i * entries.length) / count)]!)
  const unreadable: string[] = []
  for await (const loaded of loadClips({ ...loading, entries: some, workers: Math.min(count, workers) }))
    if (!loaded.ok) unreadable.push(loaded.reason)
  if (unreadable.length < count) return { opened: count, unreadable }
  throw new VideoMaeError(
    `Expected readable videos, but none of the ${count} opened ones can be read: ${unreadable[0]}`,
    {
      code: 'NOT_ENOUGH_VIDEOS',
      exit: 'data',
      hint: '`videomae inspect` names all of them, with the reasons.',
    },
  )
}
