import { realpathSync, type Stats, statSync } from 'node:fs'
import path from 'node:path'
import { requireDistinct, VideoMaeError } from '../core/errors.ts'
import { hasVideoExtension } from './extensions.ts'
import { readFolderSource } from './folder-source.ts'
import { readListSource } from './list-source.ts'
import { listOfPrepared } from './prepared-folder.ts'
import { nothing, type ReadSource, unreadableSource } from './read-source.ts'
import { describeSourceReading, type SourceReading } from './reading.ts'
import type { ListOptions, VideoEntry } from './types.ts'

export type { ListOptions } from './types.ts'

/** The videos of one or several sources, and how each source was read. */
export interface VideoListing {
  /** Videos, or parts of videos, of all sources. */
  readonly entries: readonly VideoEntry[]
  /** How each source was read. */
  readonly sources: readonly SourceReading[]
}

/**
 * The videos of a source: a folder (searched with its subfolders, in the order of their paths), a list (see `parseList`), or one video file. A folder that
 * `prepare` made is read through its list, which knows the originals.
 * With several sources the videos come one source after the other, and every id begins with the number of its source, since
 * names may repeat. A source that is named twice, also through a link, is refused: each of its videos would count twice.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT`, `PREPARED_FOLDER`, `VIDEO_SOURCE_NOT_FOUND`, `VIDEO_SOURCE_UNREADABLE`, `VIDEO_SOURCE_EMPTY`, `MANIFEST_ENCODING`, or
 *   `MANIFEST_INVALID` or `LIST_FORM_OPEN` with file and line
 */
export function readVideos(source: string | readonly string[], options: ListOptions = {}): VideoListing {
  const names = typeof source === 'string' ? [source] : source
  const [first] = names
  if (names.length === 1 && first !== undefined) {
    const { entries, reading } = readSource(first, options)
    return { entries, sources: [reading] }
  }
  const all = names.map((name) => readSource(name, options))
  requireDistinct(
    'sources',
    names.map((name) => realpathSync(name)),
  )
  return {
    entries: all.flatMap(({ entries }, i) => entries.map((entry) => ({ ...entry, id: `${i}/${entry.id}` }))),
    sources: all.map(({ reading }) => reading),
  }
}

/**
 * The videos of `readVideos`, without how they were read.
 *
 * @throws VideoMaeError as `readVideos` does
 */
export function listVideos(source: string | readonly string[], options: ListOptions = {}): VideoEntry[] {
  return [...readVideos(source, options).entries]
}

function readSource(source: string, options: ListOptions): ReadSource {
  const stats = statOf(source)
  if (stats.isDirectory()) {
    const list = listOfPrepared(source, options.fixedForm ?? false)
    if (list !== null) return readListSource(list, statSync(list).size, { fixedForm: options.fixedForm })
    return readFolderSource(source, options.labelFromFolder ?? false)
  }
  if (!stats.isFile()) throw notAFile(source)
  if (!hasVideoExtension(source)) return readListSource(source, stats.size, options)
  const entries = [{ path: source, id: path.basename(source) }]
  return { entries, reading: describeSourceReading({ ...nothing, source, kind: 'video' }, entries) }
}

function statOf(source: string): Stats {
  try {
    return statSync(source)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const absent =
      code === 'ENOENT' || code === 'ENOTDIR' || code === undefined || source === '' || source.includes('\0')
    if (!absent) throw unreadableSource(source, code)
    throw new VideoMaeError(`Expected a folder, list or video at ${source}, but it does not exist.`, {
      code: 'VIDEO_SOURCE_NOT_FOUND',
      exit: 'usage',
      hint: 'Check the path.',
    })
  }
}

function notAFile(source: string): VideoMaeError {
  return new VideoMaeError(`Expected a folder, list or video at ${source}, but it is a pipe, socket or device.`, {
    code: 'VIDEO_SOURCE_UNREADABLE',
    exit: 'data',
    hint: 'Write its output to a file, and name that file.',
  })
}
