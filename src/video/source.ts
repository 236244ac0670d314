import { readdirSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { parseManifest } from './manifest.ts'
import type { VideoEntry } from './types.ts'

export interface ListOptions {
  /** Folder that relative paths of a list or manifest start from. Default: the folder the list lies in. */
  readonly base?: string
  /** For a folder: take the name of the folder a file lies in as its label (see `classFolderWarnings`). Default false. */
  readonly labelFromFolder?: boolean
}

/** Extensions looked for in folders; a list or manifest may name any file. */
export const videoExtensions: ReadonlySet<string> = new Set(
  (
    '.mp4 .m4v .mov .qt .mkv .webm .avi .divx .gif .ts .mts .m2ts .mpg .mpeg .mpe .m1v .m2v .vob .ogv .ogm .ogg .flv .f4v .wmv ' +
    '.asf .3gp .3g2 .mj2 .mjpeg .mjpg .264 .h264 .265 .h265 .hevc .ivf .obu .y4m .mxf .nut .rm .rmvb .dv .apng .webp'
  ).split(' '),
)

/**
 * The videos of a source: a folder (searched with its subfolders, in the order of their paths), a CSV/TSV manifest, a list file, or one video file.
 *
 * @throws VideoMaeError `VIDEO_SOURCE_NOT_FOUND`, `VIDEO_SOURCE_EMPTY`, or `MANIFEST_INVALID` with file and line
 */
export function listVideos(source: string, options: ListOptions = {}): VideoEntry[] {
  const stats = statSync(source, { throwIfNoEntry: false })
  if (stats === undefined) {
    throw new VideoMaeError(`Expected a folder, list or video at ${source}, but there is nothing.`, {
      code: 'VIDEO_SOURCE_NOT_FOUND',
      exit: 'usage',
      hint: 'Check the path.',
    })
  }
  if (!stats.isDirectory() && videoExtensions.has(path.extname(source).toLowerCase())) {
    return [{ path: source, id: path.basename(source) }]
  }
  const entries = stats.isDirectory()
    ? listFolder(source, options.labelFromFolder ?? false)
    : listFile(source, options.base)
  if (entries.length === 0) {
    throw new VideoMaeError(`Expected videos in ${source}, but found none.`, {
      code: 'VIDEO_SOURCE_EMPTY',
      exit: 'data',
      hint: stats.isDirectory()
        ? `Looked for files ending in ${[...videoExtensions].slice(0, 8).join(', ')}, ... in all subfolders; a list file can name others.`
        : 'The file has no line that names a video.',
    })
  }
  return entries
}

function listFolder(folder: string, labelled: boolean): VideoEntry[] {
  const found: string[] = []
  // Folders on the way down, to stop where a link leads back up.
  const walk = (relative: string, above: readonly string[]): void => {
    const here = path.join(folder, relative)
    const real = realpathSync(here)
    if (above.includes(real)) return
    for (const name of readdirSync(here)) {
      if (name.startsWith('.')) continue
      const inner = path.join(relative, name)
      const stats: Stats | undefined = statSync(path.join(folder, inner), { throwIfNoEntry: false })
      if (stats?.isDirectory()) walk(inner, [...above, real])
      else if (stats?.isFile() && videoExtensions.has(path.extname(name).toLowerCase())) found.push(inner)
    }
  }
  walk('', [])
  return found
    .map((relative) => ({ relative, id: relative.split(path.sep).join('/') }))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ relative, id }) => {
      const parent = path.basename(path.dirname(path.resolve(folder, relative)))
      return { path: path.join(folder, relative), id, ...(labelled ? { label: parent } : {}) }
    })
}

/**
 * What a user should know of classes that are taken from folders: the class of a video is the folder it lies in, so a folder
 * between class and videos (a subject, a camera) is taken for the class, and folders of one name are merged. From the names
 * alone that cannot be told from what is wanted (`train/walk` and `test/walk`), so it is said and not refused.
 *
 * @param entries what `listVideos(source, { labelFromFolder: true })` gives
 * @returns nothing where all class folders lie side by side, or where the source is no folder
 */
export function classFolderWarnings(source: string, entries: readonly VideoEntry[]): string[] {
  if (statSync(source, { throwIfNoEntry: false })?.isDirectory() !== true) return []
  const labels = new Map(entries.map(({ id, label }) => [path.posix.dirname(id), label ?? '']))
  const folders = [...labels.keys()]
  if (folders.length < 2 || new Set(folders.map(parentOf)).size === 1) return []
  return [
    `the class of a video is the folder that it lies in, but the ${folders.length} folders with videos in ${source} do not lie side by side: ` +
      `${exampleOf(labels, entries)}. Where that is not meant, put one folder per class side by side, or name a list with the columns path,label instead.`,
  ]
}

/** The videos directly in a source have a parent that no other folder has. */
function parentOf(folder: string): string {
  return folder === '.' ? '..' : path.posix.dirname(folder)
}

/** What becomes of class folders that do not lie side by side. */
function exampleOf(labels: ReadonlyMap<string, string>, entries: readonly VideoEntry[]): string {
  const first = new Map<string, string>()
  for (const [folder, label] of labels) {
    const other = first.get(label)
    if (other !== undefined) return `${other} and ${folder} are one class, ${label}`
    first.set(label, folder)
  }
  const loose = entries.find(({ id }) => !id.includes('/'))
  if (loose !== undefined) return `${loose.id}, which lies in no folder of its own, is of the class ${loose.label}`
  const [deepest] = [...labels.keys()].sort((a, b) => b.split('/').length - a.split('/').length)
  return `${deepest} is the class ${labels.get(deepest)}, not ${path.posix.basename(path.posix.dirname(deepest))}`
}

function listFile(file: string, base: string | undefined): VideoEntry[] {
  const root = base ?? path.dirname(file)
  const lines = parseManifest(
    readFileSync(file, 'utf8'),
    file,
    (name) => statSync(path.resolve(root, name), { throwIfNoEntry: false }) !== undefined,
  )
  const entries: VideoEntry[] = []
  const labels = new Map<string, { label: string | undefined; line: number }>()
  for (const { line, path: name, ...rest } of lines) {
    const part = rest.start === undefined && rest.end === undefined ? '' : `#${rest.start ?? 0}-${rest.end ?? ''}`
    const id = `${name.split(path.sep).join('/')}${part}`
    const other = labels.get(id)
    if (other !== undefined && other.label !== rest.label) {
      throw new VideoMaeError(
        `${file}:${line}: expected one label for ${id}, but line ${other.line} says ${String(other.label)} and this line ${String(rest.label)}`,
        { code: 'MANIFEST_INVALID', exit: 'data', hint: 'Correct or remove one of the two lines.' },
      )
    }
    labels.set(id, { label: rest.label, line })
    entries.push({ path: path.isAbsolute(name) ? name : path.join(root, name), id, ...rest })
  }
  requireSome(file, entries)
  return entries
}

const framesAfterPath = / \d+ -?\d+$/

/** A single missing file is found, named and skipped when it is loaded; a list of which nothing exists is a wrong base folder. */
function requireSome(file: string, entries: readonly VideoEntry[]): void {
  const probe = entries.slice(0, 20)
  if (probe.length === 0 || probe.some((entry) => statSync(entry.path, { throwIfNoEntry: false }) !== undefined)) return
  throw new VideoMaeError(
    `${file} is read as a list of videos: expected files at the paths it names, but ${probe.length === 1 ? 'its only one does not exist' : `none of the first ${probe.length} exists`}: ${probe[0].path}`,
    {
      code: 'VIDEO_SOURCE_NOT_FOUND',
      exit: 'data',
      hint: framesAfterPath.test(probe[0].path)
        ? 'Lines with a start and a number of frames (path start frames label) are not understood: give parts in seconds, as a CSV file with the columns path,label,start,end.'
        : 'Relative paths start from the folder of the list; name another one with --base (inspect) or `base`, or write absolute paths.',
    },
  )
}
