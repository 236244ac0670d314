/** Lists in a folder that is read as a folder. */
import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { listOfPrepared } from './prepared-folder.ts'
import { listVideos } from './source.ts'

/** A folder per class that comes with a list has groups or an official split in it, as a rule, which a folder cannot say. */
export function listsBeside(source: string): string[] {
  if (statSync(source, { throwIfNoEntry: false })?.isDirectory() !== true) return []
  // Such a folder is read through its list.
  if (listOfPrepared(source, false) !== null) return []
  const lists = readdirSync(source).filter((name) => /\.(csv|tsv)$/i.test(name))
  const [first] = lists.filter((name) => saysMore(path.join(source, name)))
  if (first === undefined) return []
  return [
    `the subfolders of ${source} are read as classes; the list ${first} in it is not used: to use its groups or its split, name ${path.join(source, first)}.`,
  ]
}

/** Whether a list has groups, a split or parts of files. One that cannot be read may have. */
function saysMore(list: string): boolean {
  try {
    return listVideos(list).some((video) =>
      [video.group, video.split, video.start, video.end].some((value) => value !== undefined),
    )
  } catch {
    return true
  }
}
