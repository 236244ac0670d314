/** What prepared videos are called. */
import { createHash } from 'node:crypto'
import path from 'node:path'

/** Bytes of a name next to which a temporary file has room for its own, longer name. */
const mostNameBytes = 180

/** Folder of those that have a hash in their names. */
const hashedFolder = 'other'

/**
 * Paths in the folder of prepared videos, by source: that of the source below its list or folder, with `.mp4`. What is elsewhere, or would have the name of
 * another, has a hash of its path in its name.
 *
 * @param root folder that the source is in, or the list that names it
 * @returns with `/` between folders
 */
export function preparedNames(sources: readonly string[], root: string): Map<string, string> {
  const names = new Map<string, string>()
  const taken = new Set<string>()
  // Where two would have one name, neither gets it, so that no name depends on the order of the sources.
  const counts = new Map<string, number>()
  const plain = sources.map((source) => plainName(source, root))
  for (const name of plain) if (name !== null) counts.set(fold(name), (counts.get(fold(name)) ?? 0) + 1)
  for (const [i, source] of sources.entries()) {
    const name = plain[i]
    const own = name !== null && counts.get(fold(name)) === 1 ? name : hashedName(source, root)
    if (taken.has(fold(own))) throw new RangeError(`Two sources have the name ${own}.`)
    taken.add(fold(own))
    names.set(source, `videos/${own}`)
  }
  return names
}

/** The path of a source as records name it: below the root, else absolute. */
export function sourceName(source: string, root: string): string {
  return (pathWithin(root, source) || path.resolve(source)).split(path.sep).join('/')
}

/** The path of a file or folder below another folder; empty for that folder itself, null outside of it. */
export function pathWithin(folder: string, file: string): string | null {
  const relative = path.relative(path.resolve(folder), path.resolve(file))
  return relative.split(path.sep)[0] === '..' || path.isAbsolute(relative) ? null : relative
}

/** Null where it is outside of the root, would be among those with a hash, or would be too long. */
function plainName(source: string, root: string): string | null {
  const name = sourceName(source, root)
  if (path.isAbsolute(name)) return null
  const full = /\.mp4$/i.test(name) ? `${name.slice(0, -4)}.mp4` : `${name}.mp4`
  const parts = full.split('/')
  // A source of the user may be called as what has a hash in its name.
  if (parts.length > 1 && fold(parts[0]) === hashedFolder) return null
  return parts.some((part) => Buffer.byteLength(part) > mostNameBytes) ? null : full
}

function hashedName(source: string, root: string): string {
  const name = sourceName(source, root)
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 12)
  const base = path.posix.basename(name, path.posix.extname(name))
  return `${hashedFolder}/${[...base].slice(0, 40).join('')}-${hash}.mp4`
}

/** As file systems compare names that see no difference between cases and Unicode forms. */
const fold = (name: string): string => name.normalize('NFC').toLowerCase()
