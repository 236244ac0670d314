import { createHash } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { kindByBytes } from '../format/known-bytes.ts'
import { readRegularFileSync } from '../format/regular-file.ts'
import { decodeText, decodeWindows1252, type TextEncoding } from '../format/text-encoding.ts'
import { commonExtensions, hasVideoExtension } from './extensions.ts'
import type { UnusableItem } from './folder.ts'
import { formNotFixed } from './list/fixed-form.ts'
import { type ListRow, type ParsedList, parseList } from './list/parse.ts'
import { isMissingField } from './list/times.ts'
import { nothing, type ReadSource, unreadableSource } from './read-source.ts'
import { describeSourceReading, type RepeatedRow } from './reading.ts'
import type { ListOptions, VideoEntry } from './types.ts'

/** Lists are text: the largest public ones have a few hundred MB. */
const mostListBytes = 500_000_000

/** What may have to be changed in a path of a list, and how it is said of several paths. */
const changeRemarks = {
  backslashes: (paths: string) => `\\ read as / in ${paths}`,
  extension: (paths: string) => `an extension added to ${paths}`,
  form: (paths: string) => `accents of ${paths} in a Unicode form other than that of the file names`,
} as const

/** Where a name of a list leads. */
interface Located {
  readonly path: string
  readonly kind: 'file' | 'folder' | 'other' | 'absent'
  /** What had to be changed for it to exist. */
  readonly changed?: keyof typeof changeRemarks
  /** Two different files that the name could mean; looked for only where files must not decide about each other. */
  readonly open?: readonly [string, string]
}

/**
 * Looks names up, each once: as they stand, with accents in the other Unicode form (macOS takes letters apart, other systems do
 * not), with Windows separators, with an extension that the list leaves out.
 *
 * @param fixedForm also look for a second file that a name could mean: whoever adds such a file would decide about the row
 */
function locator(root: string, fixedForm: boolean): (name: string) => Located {
  const kindOf = (location: string): Located['kind'] => {
    try {
      const stats = statSync(location, { throwIfNoEntry: false })
      if (stats === undefined) return 'absent'
      return stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : 'other'
    } catch {
      return 'absent'
    }
  }
  const at = (text: string): string => (path.isAbsolute(text) ? text : path.join(root, text))
  const mayLackExtension = (name: string): boolean => !hasVideoExtension(name) && !/[\s,;|"]/.test(name)
  const locate = (name: string): Located => {
    const plain: Located = { path: at(name), kind: kindOf(at(name)) }
    if (plain.kind === 'file' || plain.kind === 'other' || name === '') return plain
    const formed = formsOf(at(name)).find((location) => kindOf(location) === 'file')
    if (formed !== undefined) return { path: formed, kind: 'file', changed: 'form' }
    const slashes = name.replaceAll('\\', '/')
    if (slashes !== name && kindOf(at(slashes)) === 'file')
      return { path: at(slashes), kind: 'file', changed: 'backslashes' }
    if (!mayLackExtension(name)) return plain
    const found = commonExtensions.filter((extension) => kindOf(at(slashes) + extension) === 'file')
    return found.length === 1 ? { path: at(slashes) + found[0], kind: 'file', changed: 'extension' } : plain
  }
  const openOf = (name: string): Located['open'] => {
    if (name === '' || name.includes('\0')) return undefined
    const slashes = at(name.replaceAll('\\', '/'))
    const extended = mayLackExtension(name) ? commonExtensions.map((extension) => slashes + extension) : []
    const files = new Map<string, string>() // by what tells files apart
    for (const location of [at(name), ...formsOf(at(name)), slashes, ...extended]) {
      const kind = kindOf(location)
      if (kind === 'file' || kind === 'other') {
        const { dev, ino } = statSync(location, { bigint: true })
        files.set(`${dev}:${ino}`, location)
      }
    }
    const [first, second] = files.values()
    return second === undefined ? undefined : [first, second]
  }
  const known = new Map<string, Located>()
  return (name) => {
    const before = known.get(name)
    if (before !== undefined) return before
    const open = fixedForm ? openOf(name) : undefined
    const located = { ...locate(name), ...(open === undefined ? {} : { open }) }
    known.set(name, located)
    return located
  }
}

/** The files that a path names with each component unchanged, composed (NFC), or taken apart (NFD); none for plain ASCII. */
function formsOf(location: string): string[] {
  if (!/[^\x20-\x7e]/.test(location)) return []
  const [root, ...components] = path.resolve(location).split(path.sep)
  const search = (found: string, rest: readonly string[]): string[] => {
    const [component, ...deeper] = rest
    if (component === undefined) return [found]
    return [...new Set([component, component.normalize('NFC'), component.normalize('NFD')])].flatMap((form) => {
      const next = `${found}${path.sep}${form}`
      return existsSync(next) ? search(next, deeper) : []
    })
  }
  return search(root, components)
}

/**
 * The videos of a list.
 *
 * @param bytes size of the file
 * @param options `base`: folder that relative paths start from, default that of the list; `fixedForm`: see `ListOptions`
 * @throws VideoMaeError `LIST_FORM_OPEN`, `MANIFEST_INVALID`, `MANIFEST_ENCODING`, `VIDEO_SOURCE_EMPTY`, `VIDEO_SOURCE_NOT_FOUND`
 */
export function readListSource(
  file: string,
  bytes: number,
  { base, fixedForm = false }: Pick<ListOptions, 'base' | 'fixedForm'>,
): ReadSource {
  const locate = locator(base ?? path.dirname(file), fixedForm)
  const exists = (name: string): boolean => !name.includes('\0') && ['file', 'other'].includes(locate(name).kind)
  const { parsed, encoding, sha256 } = decodeList(file, bytes, exists, (name) => locate(name).kind, fixedForm)
  const unusable: UnusableItem[] = []
  const repeated: RepeatedRow[] = []
  const entries: VideoEntry[] = []
  const seen = new Map<string, { readonly row: ListRow; readonly id: string }>()
  const ids = new Map<string, number>()
  const changes = new Map<keyof typeof changeRemarks, number>()
  let absent = 0
  for (const row of parsed.rows) {
    const { kind, path: location, changed, open } = locate(row.path)
    const { line, path: name, id: given, ...rest } = row
    if (open !== undefined) throw twoFilesOfOneName(file, line, name, open)
    const part = partName(row)
    const plain = given ?? `${name.split(path.sep).join('/')}${part}`
    // A whole file may have the name of a part of another.
    // Not where an id must not depend on other rows: there it is one that is taken, below.
    const id = given === undefined && !fixedForm && ids.has(plain) ? `${plain} (line ${line})` : plain
    const key = JSON.stringify([path.resolve(location), row.start ?? null, row.end ?? null])
    const other = seen.get(key)
    if (other !== undefined) {
      requireSame(file, row, other.row, other.id)
      // Which of the two is the id must not follow from which row comes first: a row that is added would rename another.
      if (fixedForm && id !== other.id) throw twoNamesOfOneFile(file, row, other.row)
      repeated.push({ id: other.id, line, before: other.row.line })
      continue
    }
    seen.set(key, { row, id })
    const sameId = ids.get(id)
    if (sameId !== undefined) throw twoOfOneId(file, id, sameId, line)
    ids.set(id, line)
    if (changed !== undefined) changes.set(changed, (changes.get(changed) ?? 0) + 1)
    if (kind === 'folder' || kind === 'other') {
      const what =
        kind === 'folder'
          ? 'a folder, not a video; lists of folders of pictures are not supported'
          : 'a pipe, socket or device, not a file'
      unusable.push({
        id: `${id} (line ${line})`,
        code: 'VIDEO_NOT_A_FILE',
        reason: `line ${line}: ${name} is ${what}`,
      })
    } else entries.push({ path: location, id, line, ...rest })
    if (kind === 'absent') absent++
  }
  requireSome(file, entries, unusable)
  const remarks = [...changes].map(([changed, count]) =>
    changeRemarks[changed](`${count} path${count === 1 ? '' : 's'}`),
  )
  if (absent > 0) remarks.push(`${absent} of the paths ${absent === 1 ? 'does' : 'do'} not exist`)
  const { format, columns, unused, lines, warnings } = parsed
  return {
    entries,
    reading: describeSourceReading(
      {
        ...nothing,
        source: file,
        kind: 'list',
        format,
        encoding,
        sha256,
        columns,
        unused,
        lines,
        unusable,
        repeated,
        warnings: [...warnings, ...missingWords(entries)],
        remarks,
      },
      entries,
    ),
  }
}

/** Labels that read as what R, pandas and databases write for a value that is missing: a class may be called that, too. */
function missingWords(entries: readonly VideoEntry[]): string[] {
  const words = new Map<string, number>()
  for (const { label } of entries)
    if (label !== undefined && isMissingField(label)) words.set(label, (words.get(label) ?? 0) + 1)
  return [...words].map(
    ([word, count]) =>
      `the label ${word} of ${count} row${count === 1 ? '' : 's'} is read as the name of a class; if it means a missing label, leave the cell empty`,
  )
}

function partName({ start, end }: Pick<ListRow, 'start' | 'end'>): string {
  return start === undefined && end === undefined ? '' : `#${start ?? 0}-${end ?? ''}`
}

/** Results name videos by their ids. */
function twoOfOneId(file: string, id: string, before: number, line: number): VideoMaeError {
  return new VideoMaeError(
    `${file}:${line}: expected different ids, but ${id} is also the id of another video on line ${before}`,
    {
      code: 'MANIFEST_INVALID',
      exit: 'data',
      hint: 'Correct the id, or call the column group if videos that share a value belong together.',
    },
  )
}

/** A file that is added next to another must not take the place of the other. */
function twoFilesOfOneName(file: string, line: number, name: string, [one, other]: readonly [string, string]) {
  return new VideoMaeError(
    `${file}:${line}: expected a path that names one file, but ${name} could be ${one} and ${other}`,
    {
      code: 'MANIFEST_INVALID',
      exit: 'data',
      hint: 'Write the path exactly like the name of the file: with its extension, with /, and with accents in the same Unicode form.',
    },
  )
}

function twoNamesOfOneFile(file: string, row: ListRow, before: ListRow): VideoMaeError {
  return new VideoMaeError(
    `${file}:${row.line}: expected one spelling of the path of a file, but ${row.path} is also ${before.path} on line ${before.line}`,
    { code: 'MANIFEST_INVALID', exit: 'data', hint: 'Remove one of the two lines.' },
  )
}

/** Rows of the same part of the same file have to agree. */
function requireSame(file: string, row: ListRow, before: ListRow, id: string): void {
  for (const key of ['label', 'split', 'fold', 'group', 'time', 'id', 'original'] as const) {
    if (row[key] === before[key]) continue
    throw new VideoMaeError(
      `${file}:${row.line}: expected one ${key} for ${id}, but line ${before.line} says ${String(before[key])} and this line ${String(row[key])}`,
      { code: 'MANIFEST_INVALID', exit: 'data', hint: 'Correct or remove one of the two lines.' },
    )
  }
}

/** Reads, decodes and parses a list. What is not UTF-8 is Windows-1252 where paths exist that say so. */
function decodeList(
  file: string,
  size: number,
  exists: (name: string) => boolean,
  kindOf: (name: string) => Located['kind'],
  fixedForm: boolean,
): { readonly parsed: ParsedList; readonly encoding: TextEncoding; readonly sha256: string } {
  if (size > mostListBytes)
    throw wrongEncoding(file, 1, `it has ${(size / 1e6).toFixed(0)} MB, and a list has at most ${mostListBytes / 1e6}`)
  let bytes: Buffer
  try {
    bytes = readRegularFileSync(file, mostListBytes)
  } catch (error) {
    throw unreadableSource(file, (error as NodeJS.ErrnoException).code ?? String(error))
  }
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const decoded = decodeText(bytes)
  if (decoded.ok)
    return { parsed: parseList(decoded.text, file, exists, fixedForm), encoding: decoded.encoding, sha256 }
  if (fixedForm && decoded.kind === 'eight-bit')
    throw formNotFixed(
      file,
      decoded.line,
      'it is not in UTF-8, and only the paths of its rows show whether it is in Windows-1252',
      'Save it as UTF-8 (in Excel: "CSV UTF-8").',
    )
  const text = decoded.kind === 'eight-bit' ? decodeWindows1252(bytes) : null
  if (text !== null) {
    try {
      const parsed = parseList(text, file, exists)
      const telling = parsed.rows.filter(({ path: name }) => /[^\x20-\x7e]/.test(name))
      if (telling.length > 0 && telling.every(({ path: name }) => kindOf(name) === 'file'))
        return { parsed, encoding: 'Windows-1252', sha256 }
    } catch (error) {
      // In another encoding it may well be a list that can be read: the encoding is what to tell of.
      if (!(error instanceof VideoMaeError)) throw error
    }
  }
  const kind = kindByBytes(bytes)
  if (kind !== null) throw anotherKind(file, kind)
  throw wrongEncoding(file, decoded.line, decoded.reason)
}

/** A file of which the first bytes say what it is. */
function anotherKind(file: string, kind: string): VideoMaeError {
  const video = kind.startsWith('a video')
  return new VideoMaeError(`Expected a folder, list or video at ${file}, but it is ${kind}.`, {
    code: 'MANIFEST_ENCODING',
    exit: 'data',
    hint: video
      ? 'Give it a name with the extension of a video.'
      : kind.startsWith('weights')
        ? 'Weights are named with --from. DATA is a folder, a list or a video.'
        : 'Name a folder of videos, a list as text (CSV), or a video.',
  })
}

function wrongEncoding(file: string, line: number, reason: string): VideoMaeError {
  return new VideoMaeError(
    `${file}:${line}: expected a list as text in UTF-8 (or UTF-16 with a byte order mark), but ${reason}`,
    {
      code: 'MANIFEST_ENCODING',
      exit: 'data',
      hint: 'Save it as UTF-8 (in Excel: "CSV UTF-8"). If it is a video, give it a name with the extension of one.',
    },
  )
}

/** Quotes that other programs and word processors write; in lists they belong to the name. */
const foreignQuote = /^['‘’“”„«]/

const framesAfterPath = / \d+ -?\d+$/

/** A single missing file is found, named and skipped when it is loaded; a list of which nothing exists is a wrong base folder. */
function requireSome(file: string, entries: readonly VideoEntry[], unusable: readonly UnusableItem[]): void {
  if (entries.length === 0) {
    const [first] = unusable
    throw new VideoMaeError(
      `Expected videos in ${file}, but found ${first === undefined ? 'none' : `only unusable files: ${first.reason}`}.`,
      {
        code: 'VIDEO_SOURCE_EMPTY',
        exit: 'data',
        hint: 'The file has no line that names a video.',
      },
    )
  }
  const probe = entries.slice(0, 20)
  if (probe.some(({ path: location }) => existsSync(location))) return
  throw new VideoMaeError(
    `${file} is read as a list of videos: expected files at its paths, but ${probe.length === 1 ? 'its only path does not exist' : `none of the first ${probe.length} paths exists`}: ${probe[0].path}`,
    {
      code: 'VIDEO_SOURCE_NOT_FOUND',
      exit: 'data',
      hint: foreignQuote.test(probe[0].id)
        ? 'Quote fields with straight double quotes ("): replace or remove other quotes.'
        : framesAfterPath.test(probe[0].path)
          ? 'Lines with a start and a number of frames (path start frames label) are not supported: give parts in seconds, as a CSV file with the columns path,label,start,end.'
          : 'Relative paths start from the folder of the list: put the list there, or write absolute paths. Only `inspect` and `prepare` take another folder (--base).',
    },
  )
}
