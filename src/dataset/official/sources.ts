/** What is in the folder of a published data set: annotation files by name, videos by the name of the file. */
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { VideoMaeError } from '../../core/errors.ts'
import { readRegularFile } from '../../format/regular-file.ts'
import { decodeText } from '../../format/text-encoding.ts'
import { readFolder } from '../../video/folder.ts'

/** Files of annotations. */
export interface AnnotationFiles {
  /**
   * The one file whose name matches; null where there is none.
   *
   * @throws VideoMaeError `DATASET_INVALID` for several
   */
  find(name: RegExp): string | null
  /** All files whose names match, sorted. */
  all(name: RegExp): readonly string[]
}

/** @param folder searched with its subfolders */
export function annotationFiles(folder: string): AnnotationFiles {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(txt|csv|json)$/i.test(file))
    .sort()
  const all = (name: RegExp): string[] =>
    files.filter((file) => name.test(path.basename(file))).map((file) => path.join(folder, file))
  return {
    all,
    find(name) {
      const [first = null, second] = all(name)
      if (second === undefined) return first
      throw invalidDataset(
        `Expected one file for ${name.source} but found ${first} and ${second}.`,
        'Name the folder of the annotations that you mean with --annotations.',
      )
    },
  }
}

/** @throws VideoMaeError `DATASET_INCOMPLETE` naming what is missing */
export function required(found: string | null, what: string, folder: string): string {
  if (found !== null) return found
  throw new VideoMaeError(`Expected ${what} in ${folder}, but there is no such file.`, {
    code: 'DATASET_INCOMPLETE',
    exit: 'data',
    hint: 'Copy the official annotation files there, or name their folder with --annotations.',
  })
}

export function invalidDataset(message: string, hint?: string): VideoMaeError {
  return new VideoMaeError(message, { code: 'DATASET_INVALID', exit: 'data', hint })
}

/** @throws VideoMaeError `DATASET_INVALID` for a file that is no text in UTF-8 or UTF-16 */
export async function readText(file: string): Promise<string> {
  const decoded = decodeText(await readRegularFile(file))
  if (decoded.ok) return decoded.text
  throw invalidDataset(`Expected text in ${file}, but ${decoded.reason} (line ${decoded.line}).`)
}

/** Lines with something on them, with their numbers from 1. */
export async function readLines(file: string): Promise<{ readonly line: number; readonly text: string }[]> {
  return (await readText(file))
    .split(/\r\n|\n|\r/)
    .map((text, i) => ({ line: i + 1, text: text.trim() }))
    .filter(({ text }) => text !== '')
}

/** Videos by the name of the file without its extension: data sets are often stored re-encoded. */
export class VideoFiles {
  private readonly byStem = new Map<string, string[]>()
  private readonly root: string
  private readonly asked = new Set<string>()
  readonly count: number

  constructor(root: string) {
    this.root = root
    const { videos } = readFolder(root)
    this.count = videos.length
    for (const video of videos) {
      const { name } = path.parse(video)
      this.byStem.set(name, [...(this.byStem.get(name) ?? []), video])
    }
  }

  /**
   * The file of a video. Of several with this name it is the one in a folder of one of these names; null where there is none, or
   * several are left. A file in the folder of another class is a video of that class.
   *
   * @param others names of folders that hold other videos of this name, if any
   */
  find(stem: string, folders: readonly string[], others: ReadonlySet<string> = new Set()): string | null {
    const folderOf = (video: string): string => path.basename(path.dirname(video))
    const found = (this.byStem.get(stem) ?? []).filter(
      (video) => folders.length === 0 || folders.includes(folderOf(video)) || !others.has(folderOf(video)),
    )
    const inFolder = found.filter((video) => folders.includes(folderOf(video)))
    const [video, second] = found.length > 1 ? inFolder : found
    if (video === undefined || second !== undefined) return null
    this.asked.add(video)
    return path.resolve(this.root, video)
  }

  /** Relative paths of the videos that nothing has asked for. */
  unlisted(): string[] {
    return [...this.byStem.values()].flat().filter((video) => !this.asked.has(video))
  }
}
