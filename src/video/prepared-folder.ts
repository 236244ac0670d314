/** Folders of prepared videos, as whoever reads them knows them. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { readRegularFileSync } from '../format/regular-file.ts'

/** Tells that a folder is one. */
export const preparedFile = 'prepare.json'
/** List of its videos, with labels, parts and the digests of the originals. */
export const preparedList = 'videos.csv'

/**
 * The list of a folder that `prepare` made; null for any other folder. Read as a folder, its videos would have neither the labels of the source nor their
 * originals, and what was trained on both would be taken for two different videos.
 *
 * @param fixedForm the list must be named: a file that is added to a folder must not change how all others are read
 * @throws VideoMaeError `PREPARED_FOLDER`
 */
export function listOfPrepared(folder: string, fixedForm: boolean): string | null {
  if (!isPrepared(path.join(folder, preparedFile))) return null
  const list = path.join(folder, preparedList)
  const there = existsSync(list)
  if (there && !fixedForm) return list
  throw new VideoMaeError(
    there
      ? `Expected the list in ${folder}, which \`prepare\` made, but received the folder.`
      : `Expected ${folder}, which \`prepare\` made, to have its list ${preparedList}, but it is not there.`,
    {
      code: 'PREPARED_FOLDER',
      exit: 'usage',
      hint: there ? `Name ${list}.` : 'Run the same `videomae prepare` again: it writes the list at the end.',
    },
  )
}

function isPrepared(file: string): boolean {
  try {
    return readRegularFileSync(file, 4096).toString('utf8').startsWith('{"schema":"videomae.prepared/')
  } catch {
    return false
  }
}
