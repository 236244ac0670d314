/** Whether a folder takes results of fixed names, or would lose files of other origin by them. */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { cleanLeftovers } from './atomic.ts'
import { nullIfMissing } from './missing.ts'
import { outputTaken } from './onnx-target.ts'
import { openRegularFile } from './regular-file.ts'

export interface OwnResults {
  /** In words, for the message: `the results of an earlier evaluation`. */
  readonly what: string
  /** Names of all files that are written. */
  readonly isWritten: (name: string) => boolean
  /** The file that tells whether the others belong to it, and how it begins. */
  readonly main: string
  readonly begins: RegExp
  /** Whether an interrupted command can have left some files without the main one, by what is in the folder. */
  readonly mayLackMain?: (folder: string) => Promise<boolean>
}

/**
 * Refuses a folder where results would replace files of other origin. Removes what a killed command left of their writing.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN`, `FILE_NOT_REGULAR`
 */
export async function requireOwnResults(folder: string, own: OwnResults): Promise<void> {
  const names = await readdir(folder).catch((): string[] => [])
  await refuseOthers(folder, names, own)
  await removeLeftovers(folder, own.isWritten)
}

async function refuseOthers(folder: string, names: readonly string[], own: OwnResults): Promise<void> {
  const replaced = names.filter(own.isWritten).sort()
  if (replaced.length === 0) return
  if (names.includes(own.main)) {
    if (await beginsAs(path.join(folder, own.main), own.begins)) return
    throw outputTaken(path.join(folder, own.main), own.what)
  }
  if ((await own.mayLackMain?.(folder)) === true) return
  throw outputTaken(path.join(folder, replaced[0]), own.what)
}

/**
 * Refuses a file of `--csv` that a table would replace, unless it is an earlier one. Removes what a killed command left of its writing.
 *
 * @param start how the table begins; its first 100 characters count
 * @param what an earlier one in words, for the message
 * @throws VideoMaeError `OUTPUT_TAKEN`, `FILE_NOT_REGULAR`
 */
export async function requireOwnTable(file: string, start: string, what: string): Promise<void> {
  const found = await startOf(file).catch(nullIfMissing)
  if (found !== null && found !== '' && !found.startsWith(start.slice(0, 100))) throw outputTaken(file, what, '--csv')
  await removeLeftovers(path.dirname(file), (name) => name === path.basename(file))
}

async function removeLeftovers(folder: string, isOwn: (name: string) => boolean): Promise<void> {
  await cleanLeftovers(folder, isOwn).catch(() => {}) // What cannot be removed is in nobody's way.
}

/** Whether a file is empty or has this beginning. */
export async function beginsAs(file: string, begins: RegExp): Promise<boolean> {
  const start = await startOf(file)
  return start === '' || begins.test(start)
}

/** The first characters of a file. @throws VideoMaeError `FILE_NOT_REGULAR`: a pipe would be waited for */
export async function startOf(file: string): Promise<string> {
  const handle = await openRegularFile(file)
  try {
    const bytes = Buffer.alloc(100)
    return bytes.subarray(0, (await handle.read(bytes, 0, bytes.length, 0)).bytesRead).toString('utf8')
  } finally {
    await handle.close()
  }
}
