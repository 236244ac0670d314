import { lstatSync, mkdirSync, mkdtempSync, rmdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { requirePath, VideoMaeError } from './errors.ts'
import { isSystemError, type SystemError, systemHint } from './system-error.ts'

/** How often another program may remove a parent before the folder is made. */
const mostAttempts = 5

/**
 * Makes a folder with its parents. One that is there already is no error. `mkdir` of Node.js with `recursive` never ends where
 * a file system makes no folders and says that the parent is missing, as /proc does; so nothing else of the program uses it.
 *
 * @returns the first folder that was made, absolute; null where all were there
 * @throws VideoMaeError `SYSTEM_ERROR` with the folder that could not be made and why; nothing that was made is left then.
 *   `INVALID_ARGUMENT` for a blank path
 */
export function makeFolder(folder: string): string | null {
  requirePath('the folder', folder)
  for (let attempt = 1; ; attempt++) {
    const made: string[] = []
    let current = ''
    try {
      for (current of missingFolders(path.resolve(folder))) if (makeOne(current)) made.push(current)
      return made[0] ?? null
    } catch (error) {
      if (!isSystemError(error)) throw error
      for (const one of made.toReversed()) removeEmpty(one)
      // Where the parent was there a moment ago, another program may have removed it.
      if (error.code !== 'ENOENT' || attempt === mostAttempts) {
        const { why, hint } = reasonOf(current, error)
        throw refusal(`Expected to make the folder ${folder}, but ${why}.`, hint, error)
      }
    }
  }
}

/**
 * Makes an empty folder among the temporary files. Who calls it removes it.
 *
 * @param purpose a part of its name, e.g. `calibration`
 * @returns its path
 * @throws VideoMaeError `SYSTEM_ERROR` with the folder of temporary files and why nothing can be made there
 */
export function makeTemporaryFolder(purpose: string): string {
  const parent = tmpdir()
  try {
    return mkdtempSync(path.join(parent, `videomae-${purpose}-`))
  } catch (error) {
    if (!isSystemError(error)) throw error
    const hint = errorsOfFolder.has(error.code) ? otherTemporaryFolder : systemHint(error.code)
    const why = isFolder(parent) ? `the operating system refused it: ${saidBy(error)}` : 'there is no such folder'
    throw refusal(`Expected to make a temporary folder in ${parent}, but ${why}.`, hint, error)
  }
}

/** Errors of the folder, which another folder does not have. */
const errorsOfFolder: ReadonlySet<string> = new Set([
  'ENOENT',
  'ENOTDIR',
  'EACCES',
  'EPERM',
  'EROFS',
  'ELOOP',
  'EINVAL',
])
const otherTemporaryFolder = 'Set the variable TMPDIR to a folder in which you can write.'

/** The folder and those above it that are no folders yet, the highest one first. */
function missingFolders(folder: string): string[] {
  const missing: string[] = []
  for (let current = folder; !isFolder(current); current = path.dirname(current)) {
    missing.unshift(current)
    if (current === path.dirname(current)) break
  }
  return missing
}

/** False too where the system does not say. */
function isFolder(folder: string): boolean {
  try {
    return statSync(folder).isDirectory()
  } catch {
    return false
  }
}

/** False where another program was faster. */
function makeOne(folder: string): boolean {
  try {
    mkdirSync(folder)
    return true
  } catch (error) {
    if (isFolder(folder)) return false
    throw error
  }
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // Another program writes into it.
  }
}

function refusal(message: string, hint: string, cause: SystemError): VideoMaeError {
  return new VideoMaeError(message, { code: 'SYSTEM_ERROR', exit: 'environment', hint, cause })
}

/** Without the call and the path, e.g. `EACCES: permission denied`. */
const saidBy = ({ message, syscall }: SystemError): string => message.split(`, ${syscall} `)[0]

function reasonOf(folder: string, error: SystemError): { readonly why: string; readonly hint: string } {
  const { code } = error
  const found = code === 'EEXIST' ? lstatSync(folder, { throwIfNoEntry: false }) : undefined
  if (found?.isSymbolicLink() === true) {
    const why = `${folder} is a link to a folder that does not exist`
    return { why, hint: 'Remove the link, make the folder that it leads to, or choose another path.' }
  }
  if (found !== undefined) return { why: `${folder} is a file`, hint: systemHint('ENOTDIR') }
  if (code === 'ENOENT') {
    const why = `the file system of ${path.dirname(folder)} makes no folders`
    return { why, hint: 'Choose a folder on another file system.' }
  }
  return { why: `the operating system refused ${folder}: ${saidBy(error)}`, hint: systemHint(code) }
}
