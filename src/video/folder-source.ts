import { statSync } from 'node:fs'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { videoExtensions } from './extensions.ts'
import { classFolder, type FolderSplit, folderSplit, framesHint, readFolder, type UnusableItem } from './folder.ts'
import { nothing, type ReadSource, unreadableSource } from './read-source.ts'
import { describeSourceReading } from './reading.ts'
import type { VideoEntry } from './types.ts'

/**
 * The videos of a folder.
 *
 * @param labeled take the name of the folder a file is in as its label
 * @throws VideoMaeError `VIDEO_SOURCE_EMPTY`, `VIDEO_SOURCE_UNREADABLE`
 */
export function readFolderSource(folder: string, labeled: boolean): ReadSource {
  const { videos, others, unusable, hidden, frameFolders } = readFolder(folder)
  const own = unusable.find(({ id }) => id === '')
  if (own !== undefined) throw unreadableSource(folder, own.reason)
  const { split, warnings } = folderSplit(videos)
  const entries = videos.map((id): VideoEntry => {
    const label = labeled ? labelOf(folder, id, split) : undefined
    const part = split === null ? undefined : id.split('/')[split.depth]
    return {
      path: path.join(folder, ...id.split('/')),
      id,
      ...(label === undefined ? {} : { label }),
      ...(part === undefined ? {} : { split: part }),
    }
  })
  if (entries.length === 0) throw emptyFolder(folder, frameFolders[0], unusable)
  const remarks = [
    ...(others.count === 0
      ? []
      : [
          `${others.count} other file${others.count === 1 ? '' : 's'} not used (${others.first.join(', ')}${others.count > others.first.length ? ', ...' : ''})`,
        ]),
    ...(hidden === 0 ? [] : [`${hidden} hidden name${hidden === 1 ? '' : 's'} not used`]),
  ]
  const frames = frameFolders.map(
    ({ folder: inner, pictures, first }) =>
      `${inner === '' ? folder : inner} contains ${pictures} pictures and no video. ${framesHint(path.join(folder, inner), first)}`,
  )
  const told = [...warnings, ...(labeled ? classFolderWarnings(folder, entries) : []), ...frames.slice(0, 1)]
  if (frames.length > 1) told.push(`${frames.length - 1} more folders contain only pictures`)
  const reading = describeSourceReading(
    { ...nothing, source: folder, kind: 'folder', unusable, remarks, warnings: told },
    entries,
  )
  return { entries, reading }
}

/**
 * The folder a video is in; that of the source where it is in no other and is in no part of a split. Accents are composed
 * (NFC), so that folders whose names look alike are one class.
 */
function labelOf(folder: string, id: string, split: FolderSplit | null): string | undefined {
  const name = classFolder(id, split) ?? (split === null ? path.basename(path.resolve(folder)) : undefined)
  return name?.normalize('NFC')
}

function emptyFolder(
  folder: string,
  frames: { readonly folder: string; readonly first: string } | undefined,
  unusable: readonly UnusableItem[],
): VideoMaeError {
  const [first] = unusable
  const rest = unusable.length > 1 ? `, and ${unusable.length - 1} more` : ''
  const found = first === undefined ? 'none' : `only unusable files: ${first.reason}${rest}`
  return new VideoMaeError(`Expected videos in ${folder}, but found ${found}.`, {
    code: 'VIDEO_SOURCE_EMPTY',
    exit: 'data',
    hint:
      frames === undefined
        ? `The search covers all subfolders and files ending in ${[...videoExtensions].slice(0, 8).join(', ')}, ...; a list can name other files.`
        : framesHint(path.join(folder, frames.folder), frames.first),
  })
}

/**
 * What a user should know of classes that are taken from folders: the class of a video is the folder it is in, so a folder
 * between class and videos (a subject, a camera) is taken for the class, and folders of one name are merged. From the names
 * alone that cannot be told from what is wanted, so it is said and not refused. Folders of a split do not count.
 *
 * `readVideos` has them among the warnings of its reading.
 *
 * @param entries what `listVideos(source, { labelFromFolder: true })` gives
 * @returns nothing where all class folders are side by side, or where the source is no folder
 */
export function classFolderWarnings(source: string, entries: readonly VideoEntry[]): string[] {
  if (statSync(source, { throwIfNoEntry: false })?.isDirectory() !== true) return []
  const { split } = folderSplit(entries.map(({ id }) => id))
  const labels = new Map(entries.map(({ id, label }) => [folderWithoutSplit(id, split), label ?? '']))
  const folders = [...labels.keys()]
  if (folders.length < 2 || new Set(folders.map(parentOf)).size === 1) return []
  return [
    `the class of a video is the name of its folder, but the ${folders.length} folders with videos in ${source} are not in one parent folder: ` +
      `${exampleOf(labels, entries)}. If you did not mean that, put the folders of all classes into one parent folder, or name a list with the columns path,label instead.`,
  ]
}

function folderWithoutSplit(id: string, split: FolderSplit | null): string {
  const folders = path.posix.dirname(id).split('/')
  return split === null ? folders.join('/') : folders.filter((_, depth) => depth !== split.depth).join('/') || '.'
}

/** The videos directly in a source have a parent that no other folder has. */
function parentOf(folder: string): string {
  return folder === '.' ? '..' : path.posix.dirname(folder)
}

/** What becomes of class folders that are not side by side. */
function exampleOf(labels: ReadonlyMap<string, string>, entries: readonly VideoEntry[]): string {
  const first = new Map<string, string>()
  for (const [folder, label] of labels) {
    const other = first.get(label)
    if (other !== undefined) return `${other} and ${folder} are one class, ${label}`
    first.set(label, folder)
  }
  const loose = entries.find(({ id }) => !id.includes('/'))
  if (loose !== undefined) return `${loose.id}, which is not in a folder of a class, has the class ${loose.label}`
  const [deepest] = [...labels.keys()].sort((a, b) => b.split('/').length - a.split('/').length)
  return `${deepest} has the class ${labels.get(deepest)}, not ${path.posix.basename(path.posix.dirname(deepest))}`
}
