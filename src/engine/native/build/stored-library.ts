/**
 * Libraries as files. The name ends with a digest of the content, and one that does not agree is never loaded: the system ends a
 * process that runs code behind the end of a file, and half a file may load.
 */
import { createHash } from 'node:crypto'
import { copyFileSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'

/** Hexadecimal digits of a digest in a name. */
const digits = 32

/** More than any library has: another file is not read whole. */
const mostBytes = 2 ** 28

const nameOf = (prefix: string, content: Uint8Array): string =>
  `${prefix}${createHash('sha256').update(content).digest('hex').slice(0, digits)}.so`

/**
 * Whole libraries of a folder whose names begin so; paths.
 *
 * @param prefix everything before the digest, or less
 */
export function storedLibraries(folder: string, prefix: string): string[] {
  return candidates(folder, prefix).filter(isWhole)
}

function candidates(folder: string, prefix: string): string[] {
  try {
    const names = readdirSync(folder).filter((name) => name.startsWith(prefix) && name.endsWith('.so'))
    return names.sort().map((name) => path.join(folder, name))
  } catch {
    return []
  }
}

function isWhole(file: string): boolean {
  try {
    const found = statSync(file)
    if (!found.isFile() || found.size > mostBytes) return false
    const name = path.basename(file)
    return name === nameOf(name.slice(0, -`${'0'.repeat(digits)}.so`.length), readFileSync(file))
  } catch {
    return false
  }
}

/**
 * Copies a library into a folder, under a name that tells its content. Files that were kept there under this prefix and are not
 * whole any more are removed. The name appears with the whole content or not at all.
 *
 * @param prefix everything before the digest
 * @returns the path
 * @throws what the file system says
 */
export function storeLibrary(file: string, folder: string, prefix: string): string {
  const target = path.join(folder, nameOf(prefix, readFileSync(file)))
  const temporary = `${target}.${process.pid}.${process.hrtime.bigint()}`
  try {
    copyFileSync(file, temporary)
    renameSync(temporary, target)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  for (const other of candidates(folder, prefix)) if (!isWhole(other)) rmSync(other, { recursive: true, force: true })
  return target
}
