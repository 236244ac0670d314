/** A list or folder of videos that an attacker may change, written anew for each attack, with files of his own next to it. */
import { createHash } from 'node:crypto'
import { readFile, rm, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { makeFolder } from '../../../core/make-folder.ts'
import { csvField } from '../../../format/csv.ts'
import { digestFile } from '../../../format/file-digest.ts'
import type { VideoEntry } from '../../../video/types.ts'
import type { BucketKey } from '../../ensemble/buckets.ts'
import { sha256 } from '../../ensemble/hash.ts'

/** A row of a list, or a file in a folder: `id` is the name of a link to it, relative to the folder of all links. */
export interface DataRow
  extends Pick<VideoEntry, 'id' | 'path' | 'label' | 'start' | 'end' | 'group' | 'split' | 'time'> {
  /** In a list, the link is next to the list, so that the row begins with `id`. */
  readonly beside?: boolean
  /** In a list, the row is written without quotes, whatever is in it. */
  readonly unquoted?: boolean
  /** In a list, there is a file, but no row. */
  readonly unlisted?: boolean
}

export const columns = ['label', 'start', 'end', 'group', 'split', 'time'] as const
export type ListColumn = (typeof columns)[number]

/** How the data is written down. */
export interface DataForm {
  readonly kind: 'list' | 'folder'
  /** Of a list: it has these and no others, whatever the attacker does. */
  readonly columns: readonly ListColumn[]
  /** Of a list: what separates fields. */
  readonly separator: ListSeparator
}

export const listSeparators = [',', ';', '\t', '|', ' '] as const
export type ListSeparator = (typeof listSeparators)[number]

/** Writes rows: a folder of links to their files, and a list of these. @returns what `CertifyVideosOptions.data` takes */
export async function writeData(target: string, form: DataForm, rows: readonly DataRow[]): Promise<string> {
  await rm(target, { recursive: true, force: true })
  makeFolder(form.kind === 'list' ? path.join(target, linked) : target)
  for (const row of rows) {
    const link = path.join(target, nameInData(form, row))
    makeFolder(path.dirname(link))
    await symlink(path.resolve(row.path), link)
  }
  if (form.kind === 'folder') return target
  const lines = rows.flatMap((row) => (row.unlisted === true ? [] : [lineOf(form, row)]))
  const list = path.join(target, 'list.csv')
  await writeFile(list, [['path', ...form.columns].join(form.separator), ...lines, ''].join('\n'))
  return list
}

function lineOf(form: DataForm, row: DataRow): string {
  const { columns: used, separator } = form
  const fields = [nameInData(form, row), ...used.map((name) => String(row[name] ?? ''))]
  if (row.unquoted === true) return fields.join(separator)
  return fields.map(separator === ' ' ? fieldBetweenBlanks : csvField).join(separator)
}

/** Between blanks an empty field, or one with a blank, is quoted. */
function fieldBetweenBlanks(text: string): string {
  return text === '' || /[\s"]|^#/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const linked = 'videos'

/** What a row is called where the data is read. */
export function nameInData(
  { kind }: Pick<DataForm, 'kind'>,
  { id, beside = false }: Pick<DataRow, 'id' | 'beside'>,
): string {
  return kind === 'list' && !beside ? `${linked}/${id}` : id
}

/** Files that an attacker makes, each once. */
export class AttackFiles {
  private readonly folder: string
  private readonly digests = new Map<string, string | null>()

  constructor(folder: string) {
    this.folder = folder
  }

  /**
   * The same frames under other bytes: an empty box at the end of an MP4, which readers skip.
   *
   * @param variant another number gives other bytes
   */
  async disguised(file: string, variant: number): Promise<string> {
    // Of a row that an earlier attack of the same trial has pointed at nothing.
    if ((await this.digest(file)) === null) return this.missing
    const box = Buffer.alloc(16)
    box.writeUInt32BE(16, 0)
    box.write('free', 4, 'latin1')
    box.writeUInt32BE(variant, 8)
    return this.written(`${shortName(file)}-${variant}.mp4`, async () => Buffer.concat([await readFile(file), box]))
  }

  /** The same bytes under another name. */
  async copied(file: string): Promise<string> {
    if ((await this.digest(file)) === null) return this.missing
    return this.written(`${shortName(file)}-copy.mp4`, () => readFile(file))
  }

  /** What no decoder reads. */
  async unreadable(variant: number): Promise<string> {
    return this.written(`unreadable-${variant}.mp4`, async () => createHash('sha512').update(`${variant}`).digest())
  }

  /** A playlist called a video, which names one. */
  async playlist(file: string): Promise<string> {
    const text = `#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n${path.resolve(file)}\n#EXT-X-ENDLIST\n`
    return this.written(`${shortName(file)}-playlist.mp4`, async () => Buffer.from(text))
  }

  /** Nothing is there. */
  get missing(): string {
    return path.join(this.folder, 'missing.mp4')
  }

  /** SHA-256 of a file; null where there is none. Files of a data set do not change while it is attacked. */
  async digest(file: string): Promise<string | null> {
    const known = this.digests.get(file)
    if (known !== undefined) return known
    const digest = await digestFile(file).then(
      (content) => content.digest,
      () => null,
    )
    this.digests.set(file, digest)
    return digest
  }

  private async written(name: string, content: () => Promise<Buffer>): Promise<string> {
    const file = path.join(this.folder, name)
    if (!this.digests.has(file)) {
      makeFolder(this.folder)
      await writeFile(file, await content())
      await this.digest(file)
    }
    return file
  }
}

function shortName(file: string): string {
  return sha256(path.resolve(file)).slice(0, 12)
}

/**
 * How many units differ between two states of the data: contents, ids or sources of which not the same rows are there. What a row
 * is called counts only where ids do.
 */
export async function unitsChanged(
  before: readonly DataRow[],
  after: readonly DataRow[],
  by: Exclude<BucketKey, 'time'>,
  files: AttackFiles,
): Promise<number> {
  const [was, is] = [await unitsOf(before, by, files), await unitsOf(after, by, files)]
  return [...new Set([...was.keys(), ...is.keys()])].filter((key) => was.get(key) !== is.get(key)).length
}

async function unitsOf(rows: readonly DataRow[], by: Exclude<BucketKey, 'time'>, files: AttackFiles) {
  const units = new Map<string, string[]>()
  for (const row of rows) {
    const content = await files.digest(row.path)
    const key = by === 'content' ? content : by === 'id' ? row.id : (row.group ?? 'without a group')
    if (key === null) continue // a row without a file is no video
    const told = [content, ...columns.map((name) => row[name] ?? null), ...(by === 'content' ? [] : [row.id])]
    units.set(key, [...(units.get(key) ?? []), JSON.stringify(told)])
  }
  return new Map([...units].map(([key, mine]) => [key, mine.sort().join('\n')]))
}
