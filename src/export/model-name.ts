import { existsSync } from 'node:fs'
import path from 'node:path'
import { bestFolder, folderOf } from '../train/open-checkpoint.ts'

/**
 * What a model is called in the file that is exported from it: the run that it comes from, or the directory it is in. A
 * file of weights that has a name of its own is called by that.
 *
 * @param location the folder or file of weights that `openCheckpoint` opened
 */
export function modelName(location: string): string {
  const { name } = path.parse(location)
  if (folderOf(location) !== location && !/^model(-|\.|$)/.test(name)) return name
  const folder = path.resolve(folderOf(location))
  const above = path.dirname(folder)
  if (isStep(folder)) return path.basename(above)
  if (path.basename(folder) === 'ema' && isStep(above)) return path.basename(path.dirname(above))
  if (path.basename(folder) === bestFolder && isRun(above)) return path.basename(above)
  return path.basename(folder)
}

const isStep = (folder: string): boolean => /^step-\d{8,}$/.test(path.basename(folder))

/** Runs of fine-tuning keep their split; the other folders that are called `best` are nobody's business here. */
const isRun = (folder: string): boolean => existsSync(path.join(folder, 'split.csv'))
