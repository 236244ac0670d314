/** The videos of a folder: which files there are, which cannot be used and why, and which part of a split they are in. */
import { type Dirent, readdirSync, type Stats, statSync } from 'node:fs'
import path from 'node:path'
import { hasPictureExtension, hasVideoExtension } from './extensions.ts'

/** A file, folder or row that is not used. */
export interface UnusableItem {
  /** Path relative to the source, or the line of a list with its path. */
  readonly id: string
  /** Code of the reason, as in docs/errors.md. */
  readonly code:
    | 'VIDEO_LINK_BROKEN'
    | 'VIDEO_NAME_NOT_UNICODE'
    | 'VIDEO_FOLDER_UNREADABLE'
    | 'VIDEO_FOLDER_REPEATED'
    | 'VIDEO_NOT_A_FILE'
  /** One line. */
  readonly reason: string
}

export interface FolderContents {
  /** Relative paths of videos with `/`, sorted. */
  readonly videos: readonly string[]
  readonly unusable: readonly UnusableItem[]
  /** Files that are no videos, with the first of them, and how many hidden names there are. */
  readonly others: { readonly count: number; readonly first: readonly string[] }
  readonly hidden: number
  /** Folders that hold pictures and no videos: frames of videos, perhaps. With the first picture of each. */
  readonly frameFolders: readonly { readonly folder: string; readonly first: string; readonly pictures: number }[]
}

/** Replaces bytes that are not UTF-8 by `\xNN`, so that a name can be shown. */
function shownName(name: Buffer): string {
  const text = name.toString('utf8')
  if (Buffer.from(text).equals(name)) return text
  return [...name].map((byte) => (byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`)).join('')
}

/**
 * Walks through a folder and its subfolders. Real folders come first, then links to folders that were not met yet, so that
 * no folder is read twice, however links lead in circles. Hidden names are left out.
 */
export function readFolder(root: string): FolderContents {
  const walk = new FolderWalk(root)
  walk.visit('')
  walk.followLinks()
  return walk.contents()
}

class FolderWalk {
  private readonly root: string
  private readonly videos: string[] = []
  private readonly others = { count: 0, first: [] as string[] }
  private readonly unusable: UnusableItem[] = []
  /** By folder, the pictures in it. */
  private readonly pictures = new Map<string, { first: string; pictures: number }>()
  private hidden = 0
  /** By device and inode, the folders that were met. */
  private readonly seen = new Map<string, string>()
  /** Links to folders. */
  private readonly waiting: string[] = []

  constructor(root: string) {
    this.root = root
  }

  visit(relative: string): void {
    if (!this.isNew(relative)) return
    const inner: string[] = []
    for (const entry of this.namesIn(relative)) {
      const shown = shownName(entry.name)
      const name = entry.name.toString('utf8')
      if (name.startsWith('.')) {
        this.hidden++
        continue
      }
      const id = relative === '' ? shown : `${relative}/${shown}`
      if (shown !== name) {
        if (entry.isDirectory() || hasVideoExtension(shown) || entry.isSymbolicLink())
          this.refuse(id, 'VIDEO_NAME_NOT_UNICODE', `the name of ${id} is not UTF-8: rename it`)
        else this.other(id)
      } else if (entry.isDirectory()) inner.push(id)
      else this.visitFile(id, entry, relative)
    }
    for (const folder of inner) this.visit(folder)
  }

  /** A link may lead to a folder with further links. */
  followLinks(): void {
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) this.visit(next)
  }

  contents(): FolderContents {
    const withVideos = new Set(this.videos.map((id) => path.posix.dirname(id)))
    const frameFolders = [...this.pictures]
      .filter(([folder, { pictures: count }]) => count > 1 && !withVideos.has(folder === '' ? '.' : folder))
      .map(([folder, found]) => ({ folder, ...found }))
      .sort((a, b) => (a.folder < b.folder ? -1 : 1))
    const { others, unusable } = this
    return { videos: this.videos.sort(), others, unusable, hidden: this.hidden, frameFolders }
  }

  /** Whether a folder is there and was not met before. */
  private isNew(relative: string): boolean {
    const stats = tryStat(path.join(this.root, relative))
    if (typeof stats === 'string') {
      this.refuse(relative, 'VIDEO_FOLDER_UNREADABLE', `${nameOf(relative)} cannot be opened (${stats})`)
      return false
    }
    const key = `${stats.dev}:${stats.ino}`
    const before = this.seen.get(key)
    if (before === undefined) {
      this.seen.set(key, relative)
      return true
    }
    this.refuse(relative, 'VIDEO_FOLDER_REPEATED', `${relative} is ${nameOf(before)} again, through a link`)
    return false
  }

  private namesIn(relative: string): Dirent<Buffer>[] {
    try {
      const names = readdirSync(path.join(this.root, relative), { encoding: 'buffer', withFileTypes: true })
      return names.sort((a, b) => Buffer.compare(a.name, b.name))
    } catch (error) {
      const { code = 'an error' } = error as NodeJS.ErrnoException
      this.refuse(relative, 'VIDEO_FOLDER_UNREADABLE', `the folder ${nameOf(relative)} cannot be read (${code})`)
      return []
    }
  }

  private visitFile(id: string, entry: Dirent<Buffer>, folder: string): void {
    let target: Pick<Stats, 'isFile' | 'isDirectory'> = entry
    if (!entry.isFile()) {
      const stats = tryStat(path.join(this.root, id))
      if (typeof stats === 'string') {
        const what = stats === 'ELOOP' ? 'a link in a loop of links' : `a link whose target cannot be opened (${stats})`
        this.refuse(id, 'VIDEO_LINK_BROKEN', `${id} is ${entry.isSymbolicLink() ? what : `unreadable (${stats})`}`)
        return
      }
      target = stats
    }
    if (target.isDirectory()) this.waiting.push(id)
    else if (!target.isFile()) {
      if (hasVideoExtension(id)) this.refuse(id, 'VIDEO_NOT_A_FILE', `${id} is a pipe, socket or device, not a file`)
      else this.other(id)
    } else if (hasVideoExtension(id)) this.videos.push(id)
    else {
      this.other(id)
      if (hasPictureExtension(id)) this.countPicture(id, folder)
    }
  }

  private countPicture(id: string, folder: string): void {
    const found = this.pictures.get(folder)
    if (found === undefined) this.pictures.set(folder, { first: id, pictures: 1 })
    else found.pictures++
  }

  private other(id: string): void {
    this.others.count++
    if (this.others.first.length < 3) this.others.first.push(id)
  }

  private refuse(id: string, code: UnusableItem['code'], reason: string): void {
    this.unusable.push({ id, code, reason })
  }
}

function nameOf(folder: string): string {
  return folder === '' ? 'the source itself' : folder
}

function tryStat(location: string): Stats | string {
  try {
    return statSync(location)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'an error'
  }
}

const splitFolders: ReadonlySet<string> = new Set(
  'train training val valid validation validate dev test testing'.split(' '),
)

/** Where a split is in the paths of a folder's videos. */
export interface FolderSplit {
  /** Index of the path component that is train, validation or test. */
  readonly depth: number
  /** Names of these folders, as they are written. */
  readonly names: readonly string[]
}

/**
 * The split that folders make: one component of all paths is `train`, `val`, `test` or another usual name of a part, at
 * least two of them occur, and one of them is a training part. Top folders (`train/walk/a.mp4`) count as well as folders within a class (`walk/train/a.mp4`).
 *
 * @param ids relative paths with `/`
 * @returns `split: null` with a warning where folders only look like one
 */
export function folderSplit(ids: readonly string[]): {
  readonly split: FolderSplit | null
  readonly warnings: readonly string[]
} {
  const folders = [...new Set(ids.map((id) => path.posix.dirname(id)))].map((folder) =>
    folder === '.' ? [] : folder.split('/'),
  )
  const deepest = Math.max(0, ...folders.map((folder) => folder.length))
  let partial: string | null = null
  for (let depth = 0; depth < deepest; depth++) {
    const at = folders.map((folder) => folder[depth])
    const names = [...new Set(at.filter((name) => isPart(name)))].sort()
    const parts = new Set(names.map(partName))
    if (parts.size < 2 || !parts.has('train')) continue
    if (at.every((name) => isPart(name))) return { split: { depth, names }, warnings: [] }
    const other = folders.find((folder) => !isPart(folder[depth]))!
    const where = other.length === 0 ? 'the folder itself' : other.join('/')
    partial ??= `the folders ${names.join(', ')} look like a split, but are not used as one, because there are videos outside of them (in ${where}): move these videos into one of the folders, or name a list with a split column`
  }
  return { split: null, warnings: partial === null ? [] : [partial] }
}

function isPart(name: string | undefined): boolean {
  return name !== undefined && splitFolders.has(name.toLowerCase())
}

function partName(name: string): string {
  const lower = name.toLowerCase()
  return lower.startsWith('train') ? 'train' : lower.startsWith('test') ? 'test' : 'validation'
}

/** The class of a video: the innermost folder that is no part of the split; undefined where it is in no other. */
export function classFolder(id: string, split: FolderSplit | null): string | undefined {
  const folders = path.posix.dirname(id).split('/')
  const own = split === null ? folders : folders.filter((_, depth) => depth !== split.depth)
  const last = own.at(-1)
  return last === '.' ? undefined : last
}

/** How to make a video of a folder of frames. */
export function framesHint(folder: string, first: string): string {
  const name = path.posix.basename(first)
  const digits = /(\d+)(?=\D*$)/.exec(name)
  const pattern =
    digits === null
      ? name
      : `${name.slice(0, digits.index)}%0${digits[1].length}d${name.slice(digits.index + digits[1].length)}`
  return `Folders of pictures are not supported. Make a video of each folder: ffmpeg -framerate 25 -i ${JSON.stringify(path.join(folder, pattern))} -pix_fmt yuv420p video.mp4`
}
